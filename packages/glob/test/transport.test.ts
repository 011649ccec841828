import { randomBytes } from 'node:crypto'
import { testTransport } from '@atolldb/testkit'
import { createTransport } from '../src/index.ts'

testTransport({
  create: async ({ listen = ['/ip4/127.0.0.1/tcp/0'], bootstrap = [] }) =>
    createTransport({ privateKeySeed: randomBytes(32), listen, bootstrap }),
})
