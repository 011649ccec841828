import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EMPTY_TREE, type CommitObject, type NodeId } from '@atolldb/core'
import {
  allowedSignersLine,
  createSigner,
  encodeCommit,
  nodeIdFromPublicKey,
  parseCommit,
  publicKeyFromNodeId,
  verifyCommitSignature,
} from '@atolldb/git'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const signer = createSigner(Buffer.alloc(32, 7))
const other = createSigner(generateKeyPairSync('ed25519').privateKey)
const identity = { name: 'one', email: `${signer.node}@atoll`, seconds: 1_700_000_000 }
const unsigned: CommitObject = {
  tree: EMPTY_TREE,
  parents: [],
  author: identity,
  committer: identity,
  message: 'farms +3\n\nAtoll-Clock: 1\n',
}
const signed: CommitObject = { ...unsigned, signature: signer.sign(unsigned) }

describe('node ids', () => {
  it('hold the key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), key => {
        expect([...publicKeyFromNodeId(nodeIdFromPublicKey(key))]).toEqual([...key])
      }),
    )
  })

  it('are those of libp2p', () => {
    // From the libp2p specs, "Peer Ids and Keys", test vectors: the Ed25519 key pair.
    const key = Buffer.from('1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e', 'hex')
    expect(nodeIdFromPublicKey(key)).toBe('12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq')
  })

  it.each(['', '12D3KooW', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N', '1'.repeat(52), '0OIl'])(
    'refuses %j',
    text => {
      expect(() => publicKeyFromNodeId(text as NodeId)).toThrow(expect.objectContaining({ code: 'INVALID' }))
      expect(verifyCommitSignature(signed, text as NodeId)).toBe(false)
    },
  )
})

describe('commit signatures', () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'atoll-signatures-'))
    execFileSync('git', ['init', '--quiet', '--bare', directory])
    writeFileSync(join(directory, 'signers'), `${allowedSignersLine(signer.node, identity.email)}\n`)
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  const gitAccepts = (commit: CommitObject): boolean => {
    const run = (...args: string[]) => ['-C', directory, ...args]
    const id = execFileSync('git', run('hash-object', '-t', 'commit', '-w', '--stdin'), { input: encodeCommit(commit) })
    const config = ['-c', 'gpg.format=ssh', '-c', `gpg.ssh.allowedSignersFile=${join(directory, 'signers')}`]
    return spawnSync('git', run(...config, 'verify-commit', id.toString().trim())).status === 0
  }

  it('satisfy git verify-commit and ourselves', () => {
    expect(verifyCommitSignature(signed, signer.node)).toBe(true)
    expect(verifyCommitSignature(parseCommit(encodeCommit(signed)), signer.node)).toBe(true)
    expect(gitAccepts(signed)).toBe(true)
  })

  it.each<[string, CommitObject]>([
    ['another message', { ...signed, message: 'farms +4\n' }],
    ['another tree', { ...signed, tree: signed.tree.replace('4', '5') as CommitObject['tree'] }],
    ['another author', { ...signed, author: { ...identity, name: 'two' } }],
    ['another time', { ...signed, committer: { ...identity, seconds: 1 } }],
    ['no signature', unsigned],
    ['the signature of another key', { ...unsigned, signature: other.sign(unsigned) }],
  ])('%s: both refuse', (_what, commit) => {
    expect(verifyCommitSignature(commit, signer.node)).toBe(false)
    expect(gitAccepts(commit)).toBe(false)
  })

  it('of another node are not ours', () => {
    expect(verifyCommitSignature({ ...unsigned, signature: other.sign(unsigned) }, other.node)).toBe(true)
    expect(verifyCommitSignature(signed, other.node)).toBe(false)
  })

  it('in another form are refused, whatever git says', () => {
    const text = signed.signature!
    const lines = text.split('\n')
    for (const form of [
      `${text}\n`,
      `${text}\n${text}`,
      ` ${text}`,
      text.replaceAll('\n', '\r\n'),
      [lines[0], lines.slice(1, -1).join(''), lines.at(-1)].join('\n'),
      text.replace('SSH SIGNATURE', 'PGP SIGNATURE'),
      lines.toSpliced(-1, 0, 'AAAA').join('\n'),
      lines.slice(0, -1).join('\n'),
      '',
    ])
      expect(verifyCommitSignature({ ...signed, signature: form }, signer.node), JSON.stringify(form)).toBe(false)
  })

  it('with any byte changed are refused', () => {
    const lines = signed.signature!.split('\n')
    const bytes = Buffer.from(lines.slice(1, -1).join(''), 'base64')
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1 << (at % 8)
      const base64 = changed.toString('base64').match(/.{1,70}/g)!
      const signature = [lines[0], ...base64, lines.at(-1)].join('\n')
      expect(verifyCommitSignature({ ...signed, signature }, signer.node), `byte ${at}`).toBe(false)
    }
  })

  it('of other namespaces and hashes, made by ssh-keygen, are refused', () => {
    const pem = generateKeyPairSync('ed25519').privateKey
    const key = createSigner(pem)
    const openssh = join(directory, 'key')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', openssh])
    const publicKey = execFileSync('cat', [`${openssh}.pub`], { encoding: 'utf8' }).split(' ')[1]!
    const node = nodeIdFromPublicKey(Buffer.from(publicKey, 'base64').subarray(-32))
    const sign = (namespace: string, hash: string): string =>
      execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-f', openssh, '-n', namespace, '-O', `hashalg=${hash}`], {
        input: encodeCommit(unsigned),
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'ignore'],
      }).trimEnd()
    expect(verifyCommitSignature({ ...unsigned, signature: sign('git', 'sha512') }, node)).toBe(true)
    expect(verifyCommitSignature({ ...unsigned, signature: sign('file', 'sha512') }, node)).toBe(false)
    expect(verifyCommitSignature({ ...unsigned, signature: sign('git', 'sha256') }, node)).toBe(false)
    expect(key.node).not.toBe(node)
  })
})
