export { createClient, type Client, type ClientOptions, type CompactOptions, type SyncOptions } from './client.ts'
export type { ConflictsClient, ConflictsOptions } from './conflicts.ts'
export { ClientError } from './errors.ts'
export type { ScriptsClient, SettingsClient, SettingsOptions } from './settings.ts'
export type { ListClient, ObjectClient, RangeOptions, WriteOptions, ConditionalOptions } from './collections.ts'
export type {
  BatchOperation,
  CallOptions,
  CollectionInfo,
  CollectionSettings,
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
  SettingsChange,
  Status,
  SyncState,
  Versioned,
  Written,
} from './wire.ts'
