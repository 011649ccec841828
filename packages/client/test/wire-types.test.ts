import type * as library from 'atolldb'
import { describe, expectTypeOf, it } from 'vitest'
import type * as client from '../src/index.ts'

/** The client's types stand for themselves, so that it needs no other package; the compiler holds them to the library's. */
describe('the types of the wire', () => {
  it('are those of the library', () => {
    expectTypeOf<library.Status>().toExtend<client.Status>()
    expectTypeOf<keyof client.Status>().toEqualTypeOf<keyof library.Status>()
    expectTypeOf<library.PeerStatus>().toExtend<client.PeerStatus>()
    expectTypeOf<keyof client.PeerStatus>().toEqualTypeOf<keyof library.PeerStatus>()
    expectTypeOf<client.SyncState>().toEqualTypeOf<library.SyncState>()
    expectTypeOf<library.LogEntry>().toExtend<client.LogEntry>()
    expectTypeOf<client.RecordScope>().toEqualTypeOf<library.RecordScope>()
    expectTypeOf<library.CollectionInfo>().toExtend<client.CollectionInfo>()
    expectTypeOf<client.CollectionRef>().toEqualTypeOf<library.CollectionRef>()
    expectTypeOf<client.Dropped>().toEqualTypeOf<library.Dropped>()
    expectTypeOf<client.CompactionSummary>().toEqualTypeOf<Awaited<ReturnType<library.Database['compact']>>>()
    expectTypeOf<library.Conflict>().toExtend<client.Conflict>()
    expectTypeOf<keyof client.Conflict>().toEqualTypeOf<keyof library.Conflict>()
    expectTypeOf<client.MergeReason>().toEqualTypeOf<library.MergeReason>()
    expectTypeOf<keyof client.ConflictVersion>().toEqualTypeOf<keyof library.ConflictVersion>()
    expectTypeOf<client.ConflictTarget>().toEqualTypeOf<library.ConflictTarget>()
    expectTypeOf<client.ConflictOutcome>().toEqualTypeOf<library.ConflictOutcome>()
    expectTypeOf<library.CollectionSettings>().toExtend<client.CollectionSettings>()
    expectTypeOf<keyof client.SettingsChange>().toEqualTypeOf<keyof library.SettingsChange>()
    expectTypeOf<library.Written>().toExtend<client.Written>()
  })

  it('have the methods of the library', () => {
    type Shared<T> = Exclude<keyof T, 'subscribe' | 'forEach'>
    expectTypeOf<Shared<library.ObjectCollection>>().toEqualTypeOf<keyof client.ObjectClient>()
    expectTypeOf<Shared<library.ListCollection>>().toEqualTypeOf<keyof client.ListClient>()
  })
})
