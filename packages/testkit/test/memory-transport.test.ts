import { MemoryNetwork } from '../src/memory-transport.ts'
import { testTransport } from '../src/transport-suite.ts'

const network = new MemoryNetwork()

testTransport({ create: async options => network.createTransport(options) })
