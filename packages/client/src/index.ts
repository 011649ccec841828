export { createClient, type Client, type ClientOptions, type CompactOptions, type SyncOptions } from './client.ts'
export type { ConflictsClient, ConflictsOptions } from './conflicts.ts'
export { ClientError } from './errors.ts'
export type { ListClient, ObjectClient, RangeOptions, WriteOptions, ConditionalOptions } from './collections.ts'
export type {
  BatchOperation,
  CallOptions,
  CollectionInfo,
  CompactionSummary,
  Conflict,
  ConflictOutcome,
  ConflictResolved,
  ConflictTarget,
  ConflictVersion,
  JsonValue,
  LogEntry,
  NodeInfo,
  PeerStatus,
  Status,
  SyncState,
  Versioned,
  Written,
} from './wire.ts'
