export { checkLooseObjects } from './damage/check-loose.ts'
export { checkPack, type PackCheck } from './damage/check-pack.ts'
export type { FileDamage } from './damage/file-damage.ts'
export { mendPack, type MendedPack, type SetAside } from './damage/mend-pack.ts'
export { listPackNames, type PackName } from './damage/pack-names.ts'
export { allDone } from './files/all-done.ts'
export {
  changeDirectory,
  makeDirectoryDurably,
  removeDurably,
  renameDurably,
  syncDirectory,
  writeFileDurably,
  writeNewFile,
} from './files/durable-files.ts'
export { isNotFound, onFile, systemErrorCode, translateSystemError } from './files/system-errors.ts'
export { writeFully, type WriteAt } from './files/write-fully.ts'
export { encodeCommit, encodeUnsignedCommit, parseCommit } from './objects/commit.ts'
export { entryNameProblem } from './objects/entry-name.ts'
export { MalformedObject } from './objects/malformed-object.ts'
export { hashObject, type ObjectType } from './objects/object-id.ts'
export { encodeTree, parseTree } from './objects/tree.ts'
export { PackBuilder, type BuiltPack, type PackBuilderOptions } from './packs/pack-builder.ts'
export { encodePack, type PackEncoderOptions, type RawObject } from './packs/pack-encoder.ts'
export { packLimits, type PackLimits } from './packs/pack-limits.ts'
export type { PackedObject } from './packs/received-pack.ts'
export type { QuarantinedPack } from './repository/quarantined-pack.ts'
export type { CompactionOptions, CompactionSummary } from './repository/compaction.ts'
export { checkRepositoryFiles, createRepository } from './repository/layout.ts'
export { checkRefName, isRefName } from './repository/ref-name.ts'
export { Repository, type RepositoryOptions } from './repository/repository.ts'
export type { CommittedPack, StagedObjects } from './repository/staged-objects.ts'
export { allowedSignersLine, createSigner, verifyCommitSignature } from './signatures/commit-signature.ts'
export { nodeIdFromPublicKey, privateKeyFromSeed, publicKeyFromNodeId, publicKeyOf } from './signatures/node-key.ts'
