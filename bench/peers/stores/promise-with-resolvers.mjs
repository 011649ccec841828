/** libp2p calls `Promise.withResolvers`, which Node 20 lacks. */
Promise.withResolvers ??= function withResolvers() {
  let resolve, reject
  const promise = new this((onResolve, onReject) => ([resolve, reject] = [onResolve, onReject]))
  return { promise, resolve, reject }
}
