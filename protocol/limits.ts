/** Limits of a server, announced in WELCOME and enforced. SPEC rules [L1]..[L5]. */
export interface Limits {
  /** Largest client message but BULK, bytes. */
  readonly message: number;
  /** Largest BULK message's payload, bytes. */
  readonly bulk: number;
  /** First frame, bytes. */
  readonly hello: number;
  /** Open requests of a connection. */
  readonly requests: number;
  /** Open pulls of a connection. */
  readonly pulls: number;
  /** Tiles of one pull. */
  readonly tiles: number;
  /** Bytes of one raw or npy CUTOUT. */
  readonly cutout: number;
  /** Bytes of voxels of a CUTOUT in an encoded image format. */
  readonly cutoutEncoded: number;
  readonly subscriptions: number;
  /** Frames a second and burst, CREDIT, CANCEL, PRIO and PONG apart. */
  readonly framesPerSecond: number;
  readonly framesBurst: number;
  /** CREDIT, CANCEL, PRIO and PONG a second. */
  readonly controlPerSecond: number;
  readonly editsPerSecond: number;
  readonly editsBurst: number;
  readonly presencePerSecond: number;
  /** Connections of one address. */
  readonly connectionsPerAddress: number;
  /** Connections that have not been welcomed yet, in all. */
  readonly unwelcomed: number;
  /** Voxels of a write or split box. */
  readonly writeVoxels: number;
  readonly writeTiles: number;
  /** Base ids of one body. */
  readonly bodyIds: number;
  readonly writersPerUser: number;
  /** Bytes of a token. */
  readonly token: number;
  /** Voxels that one UNIQUE may look at. */
  readonly uniqueVoxels: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;

/** Limits unless the configuration says otherwise. */
export const DEFAULT_LIMITS: Limits = {
  message: MiB,
  bulk: 4 * MiB,
  hello: 16 * KiB,
  requests: 256,
  pulls: 32,
  tiles: 262_144,
  cutout: 64 * MiB,
  cutoutEncoded: 16 * MiB,
  subscriptions: 128,
  framesPerSecond: 500,
  framesBurst: 2_000,
  controlPerSecond: 10_000,
  editsPerSecond: 50,
  editsBurst: 200,
  presencePerSecond: 30,
  connectionsPerAddress: 100,
  unwelcomed: 1_000,
  writeVoxels: 2 ** 24,
  writeTiles: 512,
  bodyIds: 2 ** 22,
  writersPerUser: 1_000,
  token: 8 * KiB,
  uniqueVoxels: 2 ** 30,
};

/** The transport cuts messages off here, bytes. */
export const TRANSPORT_MAX_MESSAGE = 8 * MiB;
/** Credit windows, bytes. */
export const WINDOW = { min: 64 * KiB, default: 256 * KiB, max: 4 * MiB } as const;
/** TILE payloads, bytes; by default the window's size over `share`, so that edits do not wait behind one large frame. */
export const FRAME = { min: 32 * KiB, share: 4, max: 4 * MiB } as const;
/** A raw tile is at most this large; channels with larger chunks are cut when read. */
export const MAX_RAW_TILE = 4 * MiB;
/** A reply or ERROR is at most this large. */
export const MAX_REPLY = 64 * KiB;
/** The server reads no tile while its own buffer for a socket holds more. */
export const SOCKET_BUFFER_HIGH = 512 * KiB;
/** Time from the handshake to a whole HELLO. */
export const HELLO_DEADLINE_MS = 5_000;
/** Silence of the server before a BEAT. */
export const PING_MS = 25_000;
