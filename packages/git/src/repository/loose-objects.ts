/**
 * Loose objects, as stock git writes them (gitformat-loose): `objects/<2 digits>/<38 digits>` holds a zlib stream of
 * `<type> <size>\0<content>`. We only read them.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { MAX_OBJECT_BYTES, type ObjectId } from '@atolldb/core'
import { isNotFound } from '../files/system-errors.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import { hashObject, type ObjectType } from '../objects/object-id.ts'
import type { PackedBytes } from '../packs/pack-file.ts'
import { translateDamage } from './pack-directory.ts'

const LONGEST_HEADER = 32
/** Of a file's name; others there are temporary. */
const restOfId = /^[0-9a-f]{38}$/
const headerPattern = /^(blob|tree|commit) (0|[1-9][0-9]*)$/

/** @returns undefined when there is no such file. @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED */
export async function readLooseObject(objectsDirectory: string, id: ObjectId): Promise<PackedBytes | undefined> {
  const path = join(objectsDirectory, id.slice(0, 2), id.slice(2))
  try {
    return parseLooseObject(await readFile(path), id)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw translateDamage(error, path)
  }
}

/** The ids of those that begin with two hexadecimal digits or more. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function looseIdsWithPrefix(objectsDirectory: string, prefix: string): Promise<ObjectId[]> {
  const path = join(objectsDirectory, prefix.slice(0, 2))
  try {
    const names = await readdir(path)
    return names
      .filter(name => restOfId.test(name) && name.startsWith(prefix.slice(2)))
      .map(name => `${prefix.slice(0, 2)}${name}` as ObjectId)
  } catch (error) {
    if (isNotFound(error)) return []
    throw translateDamage(error, path)
  }
}

function parseLooseObject(file: Buffer, id: ObjectId): PackedBytes {
  const bytes = inflate(file)
  const headerEnd = bytes.indexOf(0)
  const header = headerPattern.exec(bytes.toString('latin1', 0, Math.max(0, Math.min(headerEnd, LONGEST_HEADER))))
  if (header === null) throw new MalformedObject('a loose object of unknown form')
  const type = header[1] as ObjectType
  const content = bytes.subarray(headerEnd + 1)
  if (content.length !== Number(header[2]) || hashObject(type, content) !== id)
    throw new MalformedObject(`object ${id} is damaged`)
  return { type, bytes: content }
}

function inflate(file: Buffer): Buffer {
  try {
    return inflateSync(file, { maxOutputLength: MAX_OBJECT_BYTES + LONGEST_HEADER })
  } catch (error) {
    throw new MalformedObject(`a loose object that cannot be inflated: ${(error as Error).message}`)
  }
}
