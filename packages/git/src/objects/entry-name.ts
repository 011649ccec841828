/**
 * Which names a tree may hold. As `git fsck --strict` (fsck.c, path.c `is_ntfs_dotgit`, utf8.c `is_hfs_dotgit`) and a
 * little stricter: no backslash at all, and no `.gitmodules` or `.gitattributes`, whose contents git would interpret.
 */

const guardedNames = ['.git', '.gitmodules', '.gitattributes']
// The 8.3 names that NTFS may give them; the hashed forms are those that git knows.
const shortNames = /^(?:git~1|gitmod~[1-4]|gi7eba~[1-9]|gitatt~[1-4]|gi7d29~[1-9]|gi7eb~[1-9][0-9]|gi7d2~[1-9][0-9])$/
// Code points that HFS+ ignores in names.
const ignoredByHfs = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/gu
// NTFS drops trailing dots and spaces, and whatever names a stream.
const droppedByNtfs = /[. ]*(?::.*)?$/su

/** Why git would refuse the name, or undefined when it is fine. */
export function entryNameProblem(name: string): string | undefined {
  if (name === '') return 'an empty name'
  if (name.includes('/') || name.includes('\\') || name.includes('\0')) return 'a separator in a name'
  const first = name.charCodeAt(0)
  // Only these can begin a guarded name: '.', 'G', 'g', and what HFS+ skips.
  if (first !== 0x2e && first !== 0x47 && first !== 0x67 && first < 0x80) return undefined
  if (name === '.' || name === '..') return `the name ${name}`
  const onHfs = name.replace(ignoredByHfs, '').toLowerCase()
  const onNtfs = name.toLowerCase().replace(droppedByNtfs, '')
  if (guardedNames.includes(onHfs) || guardedNames.includes(onNtfs) || shortNames.test(onNtfs))
    return `a name that git guards: ${JSON.stringify(name)}`
  return undefined
}
