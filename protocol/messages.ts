/** Every message of `bfly.v1` as two discriminated unions. What the fields mean: SPEC. Order on the wire: `encode.ts`, `decode.ts`. */
import type { ErrorName } from './errors.ts';
import type { Limits } from './limits.ts';
import type { TileHeader } from './tile-frame.ts';
import type { Box, ChannelInfo, DatasetInfo, DType, EncodingName, Vec3 } from './volume.ts';

/** Frame types. A reply's type is its request's plus 0x80. */
export const FrameType = {
  HELLO: 0x01,
  PING: 0x02,
  GOAWAY: 0x03,
  AUTH: 0x04,
  AUTHREQ: 0x05,
  INFO: 0x10,
  LIST: 0x11,
  FEATURE: 0x12,
  UNIQUE: 0x13,
  PULL: 0x20,
  TILE: 0x21,
  END: 0x22,
  CREDIT: 0x23,
  CANCEL: 0x24,
  PRIO: 0x25,
  CUTOUT: 0x28,
  EDIT: 0x30,
  BULK: 0x31,
  SUBSCRIBE: 0x40,
  EDITS: 0x41,
  LIVE: 0x42,
  RESET: 0x43,
  SNAP: 0x44,
  UNSUBSCRIBE: 0x45,
  FOCUS: 0x46,
  HISTORY: 0x47,
  PRESENCE: 0x50,
  PEERS: 0x51,
  BEAT: 0x7f,
  REPLY: 0x80,
  ERROR: 0xfe,
} as const;

/** What PING carries and PONG gives back: at most 64 bytes. */
export type Scalar = null | boolean | number | bigint | string | Uint8Array;
/** A MessagePack value with nothing known about it yet. */
export type Wire = unknown;
/** A map whose keys are known to nobody but its users. */
export type WireMap = Readonly<Record<string, Wire>>;

export type PullOrder = 'near' | 'scan';
export type SegmentMap = 'base' | 'merged';

/** Options of SUBSCRIBE. */
export interface SubscribeOptions {
  readonly snapshot?: boolean;
  readonly filter?: WireMap;
  readonly presence?: boolean;
  readonly wids?: readonly Uint8Array[];
  readonly chk?: Uint8Array;
  readonly snap?: readonly [seq: number, section: string, row: number];
  readonly win?: number;
}

/** One subscription to take up again, in HELLO. */
export interface ResumeRequest extends SubscribeOptions {
  readonly sub: number;
  readonly path: string;
  readonly epoch: Uint8Array | null;
  readonly after: number | null;
}

export interface Hello {
  readonly kind: 'HELLO';
  readonly id: number;
  readonly v: readonly number[];
  readonly client: string;
  readonly feat: readonly string[];
  readonly token?: string;
  readonly name?: string;
  readonly color?: string;
  readonly win?: number;
  readonly frame?: number;
  readonly resume?: readonly ResumeRequest[];
}

export interface Ping {
  readonly kind: 'PING';
  readonly id: number;
  readonly t: Scalar;
}

export interface Pong {
  readonly kind: 'PONG';
  readonly id: number;
  readonly t: Scalar;
}

export interface Pull {
  readonly kind: 'PULL';
  readonly id: number;
  readonly path: string;
  readonly mip: number;
  readonly box: Box;
  /** In order of preference; default `["raw"]`. */
  readonly enc?: readonly EncodingName[];
  readonly map?: SegmentMap;
  readonly at?: number;
  readonly epoch?: Uint8Array;
  readonly urgency?: number;
  readonly order?: PullOrder;
  readonly focus?: Vec3;
  readonly win?: number;
  readonly frame?: number;
  readonly replace?: string;
  readonly minSeq?: number;
}

export type CutoutFormat = 'raw' | 'npy' | 'png' | 'jpeg' | 'tiff';
export type CutoutView = 'grayscale' | 'colormap' | 'rgb';

export interface Cutout {
  readonly kind: 'CUTOUT';
  readonly id: number;
  readonly path: string;
  readonly mip: number;
  readonly box: Box;
  readonly format?: CutoutFormat;
  readonly view?: CutoutView;
  readonly map?: SegmentMap;
  readonly at?: number;
  readonly epoch?: Uint8Array;
  readonly urgency?: number;
  readonly win?: number;
  readonly frame?: number;
}

export interface Unique {
  readonly kind: 'UNIQUE';
  readonly id: number;
  readonly path: string;
  readonly mip: number;
  readonly box: Box;
  readonly map?: SegmentMap;
  readonly at?: number;
  readonly epoch?: Uint8Array;
  /** The last id of the page before, to ask for the next page. */
  readonly after?: bigint;
}

export interface Edit {
  readonly kind: 'EDIT';
  readonly id: number;
  readonly path: string;
  /** 16 bytes that name the writer. */
  readonly wid: Uint8Array;
  readonly wseq: number;
  readonly base: number | null;
  readonly ops: readonly WireMap[];
  readonly epoch?: Uint8Array;
  readonly policy?: 'none' | 'scope' | 'strict';
  readonly note?: string;
}

/** A frame of voxels for a `write` op. */
export interface Bulk {
  readonly kind: 'BULK';
  readonly id: number;
  readonly header: TileHeader;
  /** Borrowed with the frame. */
  readonly payload: Uint8Array;
}

export interface Subscribe extends SubscribeOptions {
  readonly kind: 'SUBSCRIBE';
  readonly id: number;
  readonly path: string;
  readonly epoch: Uint8Array | null;
  readonly after: number | null;
}

/** Everything that a client may send. */
export type ClientMessage =
  | Hello
  | Ping
  | Pong
  | { readonly kind: 'AUTH'; readonly id: number; readonly token: string }
  | { readonly kind: 'INFO'; readonly id: number; readonly path: string }
  | {
      readonly kind: 'LIST';
      readonly id: number;
      readonly path: string;
      readonly after?: string;
      readonly limit?: number;
    }
  | {
      readonly kind: 'FEATURE';
      readonly id: number;
      readonly path: string;
      readonly feature: string;
      readonly key?: bigint;
      readonly box?: Box;
      readonly mip?: number;
      /** The last id of the page before, to ask for the next page. */
      readonly after?: bigint;
    }
  | Unique
  | Pull
  /** Absolute byte offsets granted, by stream id; 0 = the connection. */
  | { readonly kind: 'CREDIT'; readonly id: number; readonly grants: readonly (readonly [id: number, bytes: number])[] }
  | { readonly kind: 'CANCEL'; readonly id: number }
  | {
      readonly kind: 'PRIO';
      readonly id: number;
      readonly pull: number;
      readonly urgency: number;
      readonly focus: Vec3 | null;
    }
  | Cutout
  | Edit
  | Bulk
  | Subscribe
  | { readonly kind: 'UNSUBSCRIBE'; readonly id: number; readonly sub: number }
  | { readonly kind: 'FOCUS'; readonly id: number; readonly sub: number; readonly filter: WireMap }
  | {
      readonly kind: 'HISTORY';
      readonly id: number;
      readonly path: string;
      readonly after: number;
      readonly limit: number;
      readonly user?: string;
      readonly kinds?: readonly string[];
    }
  | { readonly kind: 'PRESENCE'; readonly id: number; readonly n: number; readonly state: WireMap | null }
  /** A type of 0x60..0x7f, which anyone may ignore. */
  | { readonly kind: 'IGNORED'; readonly id: number };

/** WELCOME. */
export interface Welcome {
  readonly kind: 'WELCOME';
  readonly id: number;
  readonly v: number;
  readonly server: string;
  readonly session: string;
  readonly user: { readonly id: string; readonly name: string };
  /** Milliseconds since 1970, UTC. */
  readonly now: number;
  readonly feat: readonly string[];
  readonly exp?: number;
  readonly ping: number;
  readonly win: number;
  readonly frame: number;
  readonly limits: Limits;
  readonly resume: readonly Wire[];
}

export type EntryKind = 'experiment' | 'sample' | 'dataset' | 'channel';
export interface ListEntry {
  readonly name: string;
  readonly kind: EntryKind;
  readonly path: string;
}

export type EndStatus = 'done' | 'cancelled' | 'replaced';

/** One edit as EDITS and HISTORY carry it. */
export type EditRecord = WireMap;

/** Everything that a server may send. */
export type ServerMessage =
  | Welcome
  | Ping
  | Pong
  | {
      readonly kind: 'GOAWAY';
      readonly id: number;
      readonly code: number;
      readonly reason: string;
      readonly retryMs: number;
    }
  | {
      readonly kind: 'AUTH_OK';
      readonly id: number;
      readonly exp: number | null;
      readonly user: { readonly id: string; readonly name: string };
    }
  | { readonly kind: 'AUTHREQ'; readonly id: number; readonly expiresInMs: number }
  | { readonly kind: 'INFO_OK'; readonly id: number; readonly info: ChannelInfo | DatasetInfo }
  | { readonly kind: 'LIST_OK'; readonly id: number; readonly entries: readonly ListEntry[]; readonly next?: string }
  /** `after` is set where a further page follows. */
  | { readonly kind: 'FEATURE_OK'; readonly id: number; readonly value: Wire; readonly after?: bigint }
  /** `ids`: ascending u64, little-endian; `after` is set where a further page follows. */
  | {
      readonly kind: 'UNIQUE_OK';
      readonly id: number;
      readonly count: number;
      readonly ids: Uint8Array;
      readonly after?: bigint;
    }
  | {
      readonly kind: 'PULL_OK';
      readonly id: number;
      readonly tiles: number;
      readonly dtype: DType;
      readonly at: number;
    }
  | { readonly kind: 'TILE'; readonly id: number; readonly header: TileHeader; readonly payload: Uint8Array }
  | {
      readonly kind: 'END';
      readonly id: number;
      readonly status: EndStatus;
      readonly sent: number;
      readonly failed: number;
      readonly bytes: number;
    }
  | { readonly kind: 'PRIO_OK'; readonly id: number }
  | {
      readonly kind: 'CUTOUT_OK';
      readonly id: number;
      readonly dtype: DType;
      readonly shape: Vec3;
      readonly bytes: number;
      readonly seq: number;
      readonly mime: string;
    }
  | {
      readonly kind: 'EDIT_OK';
      readonly id: number;
      readonly status: 'applied' | 'noop';
      readonly seq: number;
      readonly dup?: boolean;
      readonly results: readonly Wire[];
    }
  | {
      readonly kind: 'SUBSCRIBE_OK';
      readonly id: number;
      readonly epoch: Uint8Array;
      readonly first: number;
      readonly head: number;
      readonly mode: 'tail' | 'snapshot' | 'reset';
      readonly writers: Wire;
    }
  | {
      readonly kind: 'EDITS';
      readonly id: number;
      readonly from: number;
      readonly upto: number;
      readonly flags: number;
      readonly edits: readonly EditRecord[];
    }
  | { readonly kind: 'LIVE'; readonly id: number; readonly seq: number }
  | {
      readonly kind: 'RESET';
      readonly id: number;
      readonly code: number;
      readonly epoch: Uint8Array;
      readonly head: number;
    }
  | {
      readonly kind: 'SNAP';
      readonly id: number;
      readonly seq: number;
      readonly section: string;
      readonly row: number;
      readonly more: boolean;
      readonly rows: Wire;
    }
  | { readonly kind: 'UNSUBSCRIBE_OK'; readonly id: number }
  /** The server ends a subscription. */
  | { readonly kind: 'UNSUBSCRIBED'; readonly id: number; readonly code: number; readonly reason: string }
  | { readonly kind: 'FOCUS_OK'; readonly id: number }
  | {
      readonly kind: 'HISTORY_OK';
      readonly id: number;
      readonly epoch: Uint8Array;
      readonly first: number;
      readonly head: number;
      readonly edits: readonly EditRecord[];
      readonly more: boolean;
    }
  | {
      readonly kind: 'PEERS';
      readonly id: number;
      readonly peers: readonly (readonly [peer: string, n: number, state: WireMap | null])[];
    }
  | { readonly kind: 'BEAT'; readonly id: number }
  | {
      readonly kind: 'ERROR';
      readonly id: number;
      readonly code: number;
      readonly error: ErrorName;
      readonly message: string;
      readonly retryMs: number | null;
      readonly details?: WireMap;
    }
  | { readonly kind: 'IGNORED'; readonly id: number };
