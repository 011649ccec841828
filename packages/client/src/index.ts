export { createClient, type Client, type ClientOptions, type CompactOptions, type SyncOptions } from './client.ts'
export type { ConflictsClient, ConflictsOptions } from './conflicts.ts'
export type { ChangesOptions, HistoryClient, LogOptions, RefsClient, SnapshotClient } from './history.ts'
export type { Answer, Fetch, FetchRequest } from './door.ts'
export { ClientError } from './errors.ts'
export type { ScriptsClient, SettingsClient, SettingsOptions } from './settings.ts'
export type {
  ListClient,
  ObjectClient,
  RangeOptions,
  ReadableClient,
  WriteOptions,
  ConditionalOptions,
} from './collections.ts'
export type {
  BatchOperation,
  CallOptions,
  CollectionInfo,
  CollectionRef,
  CollectionSettings,
  CompactionSummary,
  Conflict,
  ConflictOutcome,
  ConflictResolved,
  ConflictTarget,
  ConflictVersion,
  Dropped,
  FeedChange,
  JsonValue,
  LogEntry,
  MergeReason,
  NamedRef,
  NodeInfo,
  PeerStatus,
  SettingsChange,
  RecordChange,
  RecordScope,
  Status,
  SyncState,
  Versioned,
  Written,
} from './wire.ts'
