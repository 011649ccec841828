/**
 * `Promise.withResolvers` (ES2024) for Node 20: libp2p and gossipsub call it. Import this before them. Newer Nodes keep
 * their own.
 */
interface Resolvers<T> {
  promise: Promise<T>
  resolve: (value: T | PromiseLike<T>) => void
  reject: (reason?: unknown) => void
}

function withResolvers<T>(this: PromiseConstructor): Resolvers<T> {
  let resolve!: Resolvers<T>['resolve']
  let reject!: Resolvers<T>['reject']
  // `this`, so that a subclass of Promise gets its own, as the standard says.
  const promise = new this<T>((fulfil, refuse) => {
    resolve = fulfil
    reject = refuse
  })
  return { promise, resolve, reject }
}

if (!('withResolvers' in Promise))
  Object.defineProperty(Promise, 'withResolvers', { value: withResolvers, writable: true, configurable: true })
