export { createClient, type Client, type ClientOptions, type CompactOptions, type SyncOptions } from './client.ts'
export { ClientError } from './errors.ts'
export type { ListClient, ObjectClient, RangeOptions, WriteOptions, ConditionalOptions } from './collections.ts'
export type {
  BatchOperation,
  CallOptions,
  CollectionInfo,
  CompactionSummary,
  JsonValue,
  LogEntry,
  NodeInfo,
  PeerStatus,
  Status,
  SyncState,
  Versioned,
  Written,
} from './wire.ts'
