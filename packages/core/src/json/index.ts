export { canonicalJson } from './canonical-json.ts'
export { isCanonicalJson, parseCanonicalJson, parseJson } from './parse-json.ts'
