import { MAX_COMMIT_CHANGES, AtollError, invalid, type JsonValue } from '@atolldb/core'
import type { Database, Transaction } from 'atolldb'
import type { Hono } from 'hono'
import { parseBase64 } from './content-shape.ts'
import { atOperation } from './problems.ts'
import { MAX_BATCH_BODY_BYTES, MAX_BATCH_DEPTH, readJson } from './requests.ts'
import { jsonResponse } from './responses.ts'

/**
 * `POST /v1/batch`: an array of operations, all or nothing, in one commit. An operation is
 *
 *     { "op": "put" | "create" | "update", "object": name, "id": id, "value": JSON }   or "bytes": base64 in place of "value"
 *     { "op": "patch", "object": name, "id": id, "patch": JSON }
 *     { "op": "delete", "object": name, "id": id }
 *     { "op": "insert", "list": name, "value": JSON }
 *     { "op": "restore", "list": name, "id": id, "value": JSON }
 *     { "op": "delete", "list": name, "id": id }
 *
 * and the answer `{ "ids": [...] }` has the id of each one's record, in order.
 */
export function routeBatch(app: Hono, db: Database): void {
  app.post('/v1/batch', async c => {
    const operations = await readJson(c.req.raw, MAX_BATCH_BODY_BYTES, MAX_BATCH_DEPTH)
    if (!Array.isArray(operations)) throw invalid('batch', 'must be an array of operations')
    if (operations.length > MAX_COMMIT_CHANGES)
      throw new AtollError('TOO_LARGE', `batch: more than ${MAX_COMMIT_CHANGES} operations`, {
        what: 'batch',
        limit: MAX_COMMIT_CHANGES,
        actual: operations.length,
      })
    const ids = await db.batch(async tx => {
      const done: string[] = []
      for (const [index, operation] of operations.entries())
        try {
          done.push(await perform(tx, operation))
        } catch (error) {
          throw atOperation(error, index)
        }
      return done
    })
    return jsonResponse({ ids })
  })
}

async function perform(tx: Transaction, operation: JsonValue): Promise<string> {
  if (typeof operation !== 'object' || operation === null || Array.isArray(operation))
    throw invalid('operation', 'must be an object')
  const members = new Map(Object.entries(operation))
  for (const name of members.keys())
    if (!knownMembers.has(name))
      throw invalid('operation', `${JSON.stringify(name.slice(0, 64))} is not a member of it`)
  const op = text(members, 'op')
  return members.has('list') ? onList(tx, op, members) : onObject(tx, op, members)
}

const knownMembers: ReadonlySet<string> = new Set(['op', 'object', 'list', 'id', 'value', 'bytes', 'patch'])

type Members = ReadonlyMap<string, JsonValue>

async function onObject(tx: Transaction, op: string, members: Members): Promise<string> {
  const objects = tx.object<unknown>(text(members, 'object'))
  const id = text(members, 'id')
  switch (op) {
    case 'put':
      objects.put(id, content(members))
      return id
    case 'create':
      await objects.create(id, content(members))
      return id
    case 'update':
      await objects.update(id, content(members))
      return id
    case 'patch':
      await objects.patch(id, required(members, 'patch'))
      return id
    case 'delete':
      objects.delete(id)
      return id
    default:
      throw unsupported(op, 'an Object')
  }
}

async function onList(tx: Transaction, op: string, members: Members): Promise<string> {
  if (members.has('object')) throw invalid('operation', 'names an Object and a List')
  const list = tx.list<unknown>(text(members, 'list'))
  if (op === 'insert') return list.insert(required(members, 'value'))
  if (op !== 'delete' && op !== 'restore') throw unsupported(op, 'a List')
  const id = text(members, 'id')
  if (op === 'delete') list.delete(id)
  else await list.restore(id, required(members, 'value'))
  return id
}

function unsupported(op: string, kind: string): AtollError<'UNSUPPORTED'> {
  const what = `${op.slice(0, 64)} on ${kind}`
  return new AtollError('UNSUPPORTED', `there is no ${what}`, { what })
}

function content(members: Members): unknown {
  if (!members.has('bytes')) return required(members, 'value')
  if (members.has('value')) throw invalid('operation', 'has value and bytes')
  return parseBase64(required(members, 'bytes'))
}

function required(members: Members, name: string): JsonValue {
  const value = members.get(name)
  if (value === undefined) throw invalid('operation', `${name} is missing`)
  return value
}

function text(members: Members, name: string): string {
  const value = required(members, name)
  if (typeof value !== 'string') throw invalid('operation', `${name} must be a string`)
  return value
}
