import { assert, MAX_CONNECTIONS, MAX_GLOB_MESSAGE_BYTES } from '@atolldb/core'
import {
  gossipsub,
  StrictSign,
  TopicValidatorResult,
  type GossipSub,
  type GossipSubComponents,
  type GossipsubOpts,
  type Message,
} from '@libp2p/gossipsub'
import type { Connection } from '@libp2p/interface'
import type { Verdict } from './options.ts'

/** The broadcast channel's engine, as the transport uses it. */
export interface Gossip extends GossipSub {
  /** Takes up again with a peer one of whose connections ended while this one lives on. */
  resumeOn(connection: Connection): void
  /** Judges what arrives on a topic. `source` is who passed it on, not who wrote it. */
  judge(topic: string, verdict: (message: Message) => Verdict): void
}

/** Largest frame between two neighbours: several messages at once, as the answer to one request may be. */
const MAX_RPC_BYTES = 128 * MAX_GLOB_MESSAGE_BYTES
const HEARTBEAT_MS = 500

/**
 * For a closed cluster of up to a few hundred nodes. Own messages go to every neighbour; those of others along a mesh,
 * which is joined as soon as the subscription of a neighbour is heard.
 */
const options: Partial<GossipsubOpts> = {
  globalSignaturePolicy: StrictSign,
  fallbackToFloodsub: false,
  floodPublish: true,
  batchPublish: true,
  allowPublishToZeroTopicPeers: true,
  ignoreDuplicatePublishError: true,
  emitSelf: false,
  doPX: false,
  tagMeshPeers: false,
  D: 8,
  Dlo: 6,
  Dhi: 12,
  Dscore: 4,
  Dout: 2,
  Dlazy: 6,
  heartbeatInterval: HEARTBEAT_MS,
  // Windows are heartbeats, which are twice as quick as usual: keep messages for as long.
  mcacheLength: 10,
  mcacheGossip: 6,
  // Somebody who leaves a channel and returns is not an attacker here.
  unsubcribeBackoff: 1000,
  maxInboundStreams: 4,
  maxOutboundStreams: 4,
  maxInboundDataLength: MAX_RPC_BYTES,
  // A neighbour that reads nothing is cut off here, before it costs more memory.
  maxOutboundBufferSize: 2 * MAX_RPC_BYTES,
  // One channel a node, and room for the one it left.
  maxTopicBytesPerPeer: 16 * 1024,
  decodeRpcLimits: {
    maxSubscriptions: 64,
    maxMessages: 1024,
    maxIhaveMessageIDs: 5000,
    maxIwantMessageIDs: 5000,
    maxIdontwantMessageIDs: 512,
    maxControlMessages: 64,
    maxPeerInfos: 16,
  },
  scoreParams: {
    // Clusters live behind one address, or all on 127.0.0.1: membership is the gate, not the address.
    IPColocationFactorWeight: 0,
    // A node that is busy for some seconds does not keep its promises; only a habit of it counts.
    behaviourPenaltyThreshold: 6,
    behaviourPenaltyWeight: -1,
    behaviourPenaltyDecay: 0.8,
    retainScore: 10 * 60 * 1000,
  },
}

/** Without these a rejected message costs its sender nothing. Silence is no fault: an idle cluster says little. */
const topicScore = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  timeInMeshQuantum: 1000,
  timeInMeshCap: 1,
  firstMessageDeliveriesWeight: 0,
  firstMessageDeliveriesDecay: 0.5,
  firstMessageDeliveriesCap: 1,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 5000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  // The square of the rejected messages: 10 of them and a neighbour is no longer listened to, for about 20 s.
  invalidMessageDeliveriesWeight: -1,
  invalidMessageDeliveriesDecay: 0.95,
}

/** gossipsub takes score parameters of a topic at creation only, but reads this object of its own for each message. */
interface ScoredGossip {
  readonly opts: { readonly scoreParams: { readonly topics: Record<string, typeof topicScore> } }
}

const results = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const

/** The gossipsub service of a libp2p node. */
export function gossip(): (components: GossipSubComponents) => Gossip {
  return components => {
    const engine = gossipsub(options)(components)
    const { topics } = (engine as GossipSub & ScoredGossip).opts.scoreParams
    return Object.assign(engine, {
      resumeOn(connection: Connection) {
        const protocol = engine.protocols[0]
        assert(protocol !== undefined, 'gossipsub has a protocol')
        // What libp2p does when a peer appears; gossipsub does nothing where it still has its streams.
        for (const topology of components.registrar.getTopologies(protocol))
          void topology.onConnect?.(connection.remotePeer, connection)
      },
      judge(topic: string, verdict: (message: Message) => Verdict) {
        for (const old of Object.keys(topics)) delete topics[old]
        topics[topic] = topicScore
        engine.topicValidators.clear()
        engine.topicValidators.set(topic, (_source, message) => results[verdict(message)])
      },
    })
  }
}

assert(MAX_CONNECTIONS > 12, 'the mesh fits the connections')
