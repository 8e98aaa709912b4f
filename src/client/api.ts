/** What both entries of the SDK export, besides `connect`. */
export {
  BflyError,
  type Box,
  type ChannelInfo,
  type DatasetInfo,
  type DType,
  ENCODINGS,
  type EncodingName,
  type ErrorName,
  type Limits,
  type ListEntry,
  type MipInfo,
  type PullOrder,
  type SegmentMap,
  type Vec3,
  type VoxelArray,
} from '../../protocol/index.ts';
export type { BackOff } from './back-off.ts';
export type { SessionEnd, SessionEvents, SessionState } from './connection.ts';
export type { CutoutOptions, CutoutProgress, CutoutResult } from './cutout.ts';
export type { Goaway } from './link.ts';
export type { ConnectOptions } from './options.ts';
export type { Pull, PullOptions, PullReady, PullStatus } from './pull.ts';
export type { AskOptions, FeatureOptions, UniqueOptions } from './requests.ts';
export type { Session, SessionUser } from './session.ts';
export type { SocketEvent, SocketFactory, WebSocketLike } from './socket.ts';
export { DECODABLE, type Tile } from './tile.ts';
