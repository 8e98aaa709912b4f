/** What both entries of the SDK export, besides `connect`. */
export type { Changes, Region } from '../../protocol/edit-changes.ts';
export type { Row, Seed, TableName } from '../../protocol/edit-ops.ts';
export type { EditView } from '../../protocol/edit-view.ts';
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
  type Position,
  type PullOrder,
  type SegmentMap,
  type Vec3,
  type VoxelArray,
} from '../../protocol/index.ts';
export { decodeMask, encodeMask } from '../../protocol/voxel-mask.ts';
export type { BackOff } from './back-off.ts';
export type { SessionEnd, SessionEvents, SessionState } from './connection.ts';
export type { CutoutOptions, CutoutProgress, CutoutResult } from './cutout.ts';
export type { EditEvent } from './edit-event.ts';
export type { EditOp, Id, Ids, RowInput } from './edit-input.ts';
export {
  ConflictError,
  type EditResult,
  type OpOutcome,
  type OrphanedEdit,
  type RecoveredEdit,
  readIds,
} from './edit-result.ts';
export type { EditOptions } from './editing.ts';
export type { History, HistoryOptions, HistoryPage } from './history.ts';
export type { Goaway } from './link.ts';
export type { LiveChannel, LiveChannelEvents, RolledBackEdit, UnsavedEdit } from './live-channel.ts';
export type { OptimisticView } from './optimistic-view.ts';
export type { ConnectOptions, TokenWish } from './options.ts';
export type { Peer, PresenceState } from './presence.ts';
export type { Pull, PullOptions, PullReady, PullStatus } from './pull.ts';
export type { AskOptions, FeatureOptions, UniqueOptions } from './requests.ts';
export type { Session, SessionUser } from './session.ts';
export type { SocketEvent, SocketFactory, WebSocketLike } from './socket.ts';
export type {
  EditFilter,
  Subscription,
  SubscriptionEnd,
  SubscriptionEvents,
  SubscriptionOptions,
  SubscriptionProgress,
  SubscriptionReset,
} from './subscription.ts';
export { DECODABLE, type Tile } from './tile.ts';
export type { SavedEdit, SavedWriter, WriterStore } from './writer-store.ts';
