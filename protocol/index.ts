/** `bfly.v1`: the wire protocol, for clients and servers. The normative text is SPEC.md beside this file. */
export { crc32 } from './crc32.ts';
export { BadFrame, decodeClient } from './decode.ts';
export { decodeServer } from './decode-server.ts';
export * from './edit-changes.ts';
export * from './edit-ops.ts';
export * from './edit-state.ts';
export * from './edit-view.ts';
export { encodeClient, encodeError, encodeServer } from './encode.ts';
export * from './errors.ts';
export { CLIENT_GUARD, type GuardLimits, type GuardVerdict, guard, SERVER_GUARD } from './guard.ts';
export * from './limits.ts';
export * from './messages.ts';
export { parseOps } from './parse-ops.ts';
export * from './tile-frame.ts';
export * from './volume.ts';
export * from './voxel-mask.ts';
