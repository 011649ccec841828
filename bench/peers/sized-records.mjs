const noteAlphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'
const restBytes = 60

/** A record of about so many bytes of JSON, most of it a text without a pattern; the same for the same index. */
export function sizedRecord(index, sizeBytes) {
  let state = index + 1
  let note = ''
  while (note.length < sizeBytes - restBytes) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    note += noteAlphabet[(state >>> 16) % noteAlphabet.length]
  }
  return { station: `station-${index % 512}`, temperature: (index % 600) / 10, note }
}
