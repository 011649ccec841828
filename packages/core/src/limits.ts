import { assert } from './errors.ts'

/**
 * Every limit of Atoll, with the relations between them asserted below. The first group decides which commits are valid:
 * those are constants of rules version 1 and never change without a new rules version.
 */

/** The version of the rules that this program follows; the root commit of a cluster names its own. */
export const RULES_VERSION = 1

// --- Validity: constants of rules version 1 -------------------------------------------------------------------------
export const MAX_ID_BYTES = 512
export const MAX_COLLECTION_NAME_LENGTH = 64
export const MAX_VALUE_BYTES = 1024 * 1024
export const MAX_JSON_DEPTH = 64
/** Changed records a commit, and their canonical bytes together. */
export const MAX_COMMIT_CHANGES = 10_000
export const MAX_COMMIT_VALUE_BYTES = 16 * 1024 * 1024
export const MAX_COMMIT_OBJECT_BYTES = 64 * 1024
export const MAX_NODE_NAME_LENGTH = 64
/** The first line of a data commit's message. */
export const MAX_SUBJECT_LENGTH = 1024
/** What the merge of concurrent versions may grow to; beyond it the latest version stands for all. */
export const MAX_MERGED_VALUE_BYTES = 3 * MAX_VALUE_BYTES
/** The schema of a collection, as canonical JSON. */
export const MAX_SCHEMA_BYTES = 64 * 1024
/** The source of a merge script. */
export const MAX_SCRIPT_BYTES = 64 * 1024
/** What a merge script is given: the canonical JSON of base and versions together. A run ends within its steps long before. */
export const MAX_SCRIPT_INPUT_BYTES = 4 * MAX_VALUE_BYTES
/** Heads that one merge commit joins. */
export const MAX_MERGE_HEADS = 256
/** A leaf of an Object collection: record files in one directory. */
export const MAX_OBJECT_LEAF_RECORDS = 64
/** A leaf of a List: lines, and bytes where it holds more than one line. */
export const MAX_LIST_LEAF_RECORDS = 128
export const MAX_LIST_LEAF_BYTES = 16 * 1024
/** An escaped name longer than this continues in a sub-directory. */
export const MAX_FILE_NAME_LENGTH = 100
export const MAX_CLOCK_COUNTER = 0xffff
/** The last millisecond that a clock may name (year 9999). */
export const MAX_CLOCK_MS = 253_402_300_799_999

// --- Local: free to change ------------------------------------------------------------------------------------------
/** A commit whose clock is further ahead of our wall clock is held back. */
export const MAX_DRIFT_MS = 5 * 60 * 1000

// The glob channel
export const MAX_GLOB_MESSAGE_BYTES = 16 * 1024
export const MAX_HEADS_PER_MESSAGE = 256

// Exchange of heads
export const MAX_ADDRESSES_PER_HELLO = 64
export const MAX_ADDRESS_LENGTH = 256

// Targeted fetch
export const MAX_FETCH_WANTS = 256
export const MAX_FETCH_HAVES = 1024
export const MAX_FRAME_BYTES = 64 * 1024
/** A pack of a fetch answer ends at the first whole commit past this. */
export const FETCH_PACK_TARGET_BYTES = 4 * 1024 * 1024
/** The largest pack that a fetch accepts: the largest valid commit, its rewritten trees and list leaves included. */
export const MAX_FETCH_PACK_BYTES = 1024 * 1024 * 1024
export const MAX_FETCH_PACK_OBJECTS = 1_000_000
/** The largest object that a valid commit can need. */
export const MAX_OBJECT_BYTES = 4 * 1024 * 1024
export const FETCH_IDLE_TIMEOUT_MS = 20_000
export const MAX_COMMITS_HELD_BACK = 10_000

// Connections
export const MAX_CONNECTIONS = 256
export const MAX_STREAMS_PER_PROTOCOL = 32
export const HANDSHAKE_TIMEOUT_MS = 10_000

assert(MAX_VALUE_BYTES <= MAX_COMMIT_VALUE_BYTES, 'a value fits into a commit')
assert(MAX_VALUE_BYTES + MAX_LIST_LEAF_BYTES < MAX_OBJECT_BYTES, 'a leaf of one large line is a legal object')
assert(MAX_MERGED_VALUE_BYTES < MAX_OBJECT_BYTES, 'a merged value is a legal object')
assert(MAX_HEADS_PER_MESSAGE >= MAX_MERGE_HEADS, 'all heads of a merge can be told in one message')
assert(MAX_MERGE_HEADS * 48 + 1024 < MAX_GLOB_MESSAGE_BYTES, 'that message fits the glob')
assert(MAX_MERGE_HEADS * 48 + 1024 < MAX_COMMIT_OBJECT_BYTES, 'a merge commit of all heads is a legal commit')
assert(
  MAX_HEADS_PER_MESSAGE * 48 + 2 * MAX_ADDRESSES_PER_HELLO * (MAX_ADDRESS_LENGTH + 8) + 1024 < MAX_FRAME_BYTES,
  'a hello fits a frame',
)
assert(MAX_FETCH_HAVES * 48 < MAX_FRAME_BYTES, 'a request fits a frame')
assert(FETCH_PACK_TARGET_BYTES + MAX_COMMIT_VALUE_BYTES < MAX_FETCH_PACK_BYTES, 'the largest commit fits a pack')
