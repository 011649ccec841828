import type { CollectionKind, ObjectId, ObjectStore, StoredContent, TreeEntry } from '../../src/index.ts'

/**
 * The layout by its rules, told a second time: all records in, paths of files out, nothing incremental and nothing shared with
 * what is tested.
 */

export interface NaiveRecord {
  readonly kind: CollectionKind
  readonly collection: string
  readonly id: string
  readonly content: StoredContent
}

type Files = Map<string, ObjectId>

export function naiveTree(store: ObjectStore, records: Iterable<NaiveRecord>): ObjectId {
  const groups = new Map<string, NaiveRecord[]>()
  for (const record of records) {
    const name = `${record.kind}/${directoryOf(record.collection)}`
    groups.set(name, [...(groups.get(name) ?? []), record])
  }
  const files: Files = new Map()
  for (const [path, group] of groups) {
    const sorted = group.map(({ id, content }) => ({ bytes: latin1(id), content }))
    sorted.sort((a, b) => (a.bytes < b.bytes ? -1 : 1))
    if (path.startsWith('objects/')) placeObjects(files, path, sorted)
    else placeLists(store, files, path, sorted)
  }
  return writeFiles(store, [...files])
}

interface Item {
  readonly bytes: string
  readonly content: StoredContent
}

function placeObjects(files: Files, directory: string, items: readonly Item[]): void {
  const place = ({ bytes, content: { format, version } }: Item): void => {
    files.set(`${directory}/${cut(escape(bytes))}.${format === 'json' ? 'json' : 'bin'}`, version)
  }
  if (items.length <= 64) return items.forEach(place)
  const prefix = prefixOf(items)
  for (const [child, group] of childrenOf(items, prefix))
    if (child === undefined) group.forEach(place)
    else placeObjects(files, `${directory}/${cut(escape(child))}`, group)
}

function placeLists(store: ObjectStore, files: Files, path: string, items: readonly Item[]): void {
  const lines = items.map(
    ({ bytes, content }) => `{"id":"${bytes}","value":${Buffer.from(content.bytes!).toString()}}\n`,
  )
  const leaf = Buffer.from(lines.join(''))
  if (items.length === 1 || (items.length <= 128 && leaf.length <= 16384)) {
    files.set(`${path}.jsonl`, store.writeBlob(leaf))
    return
  }
  for (const [child, group] of childrenOf(items, prefixOf(items))) placeLists(store, files, `${path}/${child}`, group)
}

function prefixOf(items: readonly Item[]): string {
  let prefix = items[0]!.bytes
  for (const { bytes } of items) while (!bytes.startsWith(prefix)) prefix = prefix.slice(0, -1)
  return prefix
}

function childrenOf(items: readonly Item[], prefix: string): Map<string | undefined, Item[]> {
  const groups = new Map<string | undefined, Item[]>()
  for (const item of items) {
    const child = item.bytes === prefix ? undefined : item.bytes.slice(0, prefix.length + 1)
    groups.set(child, [...(groups.get(child) ?? []), item])
  }
  return groups
}

const devices = ['con', 'prn', 'aux', 'nul']
for (let digit = 0; digit < 10; digit++) devices.push(`com${digit}`, `lpt${digit}`)

function spareDevice(name: string): string {
  return devices.includes(name.toLowerCase()) ? `%${name.charCodeAt(0).toString(16)}${name.slice(1)}` : name
}

function escape(bytes: string): string {
  if (bytes === '') return '%'
  const escaped = Array.from(bytes, byte =>
    /[A-Za-z0-9_-]/.test(byte) ? byte : `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return spareDevice(escaped.join(''))
}

function cut(name: string): string {
  return name.length <= 100 ? spareDevice(name) : `${name.slice(0, 100)}~/${cut(name.slice(100))}`
}

function directoryOf(collection: string): string {
  const [first, ...rest] = collection.split('.')
  return [spareDevice(first!), ...rest]
    .join('.')
    .replace(/\.$/, '%2e')
    .replace(/\.jsonl$/, '%2ejsonl')
}

function latin1(id: string): string {
  return Buffer.from(id, 'utf8').toString('latin1')
}

function writeFiles(store: ObjectStore, files: readonly (readonly [string, ObjectId])[]): ObjectId {
  const entries: TreeEntry[] = []
  const inside = new Map<string, [string, ObjectId][]>()
  for (const [path, id] of files) {
    const slash = path.indexOf('/')
    if (slash < 0) entries.push({ name: path, type: 'blob', id })
    else {
      const name = path.slice(0, slash)
      const list = inside.get(name)
      if (list === undefined) inside.set(name, [[path.slice(slash + 1), id]])
      else list.push([path.slice(slash + 1), id])
    }
  }
  for (const [name, list] of inside) entries.push({ name, type: 'tree', id: writeFiles(store, list) })
  return store.writeTree(entries)
}
