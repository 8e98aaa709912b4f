/**
 * The file of `--auth`: who may what.
 *
 * ```yaml
 * anonymous:                          # visitors without a token; without this key there are none
 *   public: read
 * tokens:
 *   - token: sha256:9f86d0…           # or the token itself, of at least 16 characters; `bfly token` makes them
 *     user: ada                       # never changes
 *     name: Ada Lovelace              # for people; default: the user
 *     expires: 2030-01-01T00:00:00Z   # default: never
 *     grants:
 *       fly/medulla: edit             # a path and everything below it, at any depth
 *       "*": [read, annotate]         # everything
 * jwt:                                # tokens that others sign
 *   - public-key-file: login.pem      # or public-key, secret, secret-file (HS256), jwks-file; relative to this file
 *     issuer: https://login.example   # iss must be this
 *     audience: butterfly             # aud must hold this
 *     prefix: "example/"              # before each sub, so that issuers cannot speak for each other's users
 *     grants: {public: read}          # for everybody with such a token, besides what the token grants
 *     limit: {fly: edit}              # the most that a token can grant; default: whatever it says
 * revoked:
 *   - user: eve
 *   - jti: 5d2c
 *   - sha256: 9f86d0…                 # of a token of either kind
 * ```
 * Rights: read; annotate (tables, and read); edit (bodies and voxels, undo of others' edits, and annotate); edit-own (edit without
 * undo of others' edits); admin (all). What is not known is an error: a misspelt `expires` would otherwise never expire.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { type Document, isMap, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { BflyError } from '../../protocol/errors.ts';
import {
  type AuthConfig,
  GRANTABLE,
  type Grant,
  type Grantable,
  grantPathFault,
  type KeyRule,
  tokenHash,
  userFault,
} from './auth-config.ts';

/** Reads a file; tests and the watch over the files put theirs in. */
export type ReadFile = (file: string) => Promise<Uint8Array>;

/** Characters of a token that stands in the file: shorter ones can be guessed. */
const MIN_TOKEN = 16;
const HASHED = /^sha256:([0-9a-f]{64})$/i;
const DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

/**
 * Reads the file and the files of keys that it names.
 *
 * @throws BflyError NOT_FOUND, BAD_REQUEST naming file, line and key; never anything that stands in the file but keys and paths.
 */
export async function readAuthConfig(file: string, read: ReadFile = readFile): Promise<AuthConfig> {
  const name = path.basename(file);
  const source = await read(file).catch((cause: NodeJS.ErrnoException) => {
    throw new BflyError('NOT_FOUND', `the file ${name} of --auth ${whyUnreadable(cause)}`, { cause });
  });
  const lines = new LineCounter();
  const document = parseDocument(Buffer.from(source).toString('utf8'), {
    schema: 'failsafe',
    merge: true,
    lineCounter: lines,
    prettyErrors: false,
  });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line } = lines.linePos(error.pos[0]);
    // The library's own sentence may quote the line, and with it a token.
    const what = error.code.toLowerCase().replaceAll('_', ' ');
    throw new BflyError(
      'BAD_REQUEST',
      `${name} line ${line} is not legal YAML (${what}); check it and the line before`,
    );
  }
  return new AuthReader(name, path.dirname(path.resolve(file)), document, lines, read).read();
}

const list = <T extends z.ZodType>(item: T) => z.array(item, { error: 'must be a list' });
const text = z.string({ error: 'must be a text' }).min(1, { error: 'must be a text' });

/** An object that knows all its keys. */
function strict<T extends z.core.$ZodShape>(shape: T) {
  const error: z.core.$ZodErrorMap = (issue) =>
    issue.code === 'unrecognized_keys'
      ? `holds a key that is not known; legal are ${Object.keys(shape).join(', ')}`
      : 'must be a map of keys and values';
  return z.strictObject(shape, { error });
}

const RIGHTS_LEGAL = `must be one or a list of ${GRANTABLE.join(', ')}`;
const isGrantable = (value: unknown): value is Grantable => GRANTABLE.some((right) => right === value);

/** A map of paths to rights. */
const grants = z.unknown().transform((value, context): Grant[] => {
  const fail = (message: string, ...at: string[]): Grant[] => {
    context.addIssue({ code: 'custom', message, path: at });
    return [];
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('must be a map of paths to rights, such as {"fly/medulla": edit}');
  return Object.entries(value).flatMap(([written, right]: [string, unknown]) => {
    const normal = written.normalize('NFC');
    const fault = grantPathFault(normal);
    if (fault !== undefined) return fail(fault, written);
    const rights: unknown[] = Array.isArray(right) ? right : [right];
    const legal = rights.filter(isGrantable);
    if (legal.length === 0 || legal.length < rights.length) return fail(RIGHTS_LEGAL, written);
    return [{ path: normal === '*' ? '' : normal, rights: legal }];
  });
});

const user = text.superRefine((value, context) => {
  const fault = userFault(value);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
});

const hash = text
  .regex(/^(sha256:)?[0-9a-f]{64}$/i, { error: 'must be 64 hexadecimal digits' })
  .transform((value) => value.replace(/^sha256:/i, '').toLowerCase());

const token = text
  .refine((value) => !/^sha256:/i.test(value) || HASHED.test(value), {
    error: 'must have 64 hexadecimal digits behind sha256:',
  })
  .refine((value) => value.length >= MIN_TOKEN && /^[\x21-\x7e]+$/.test(value), {
    error: `must be sha256: and a hash, or at least ${MIN_TOKEN} printable ASCII characters; bfly token makes one`,
  })
  .transform((value) => {
    const [, hex] = HASHED.exec(value) ?? [];
    return hex === undefined ? tokenHash(value) : Buffer.from(hex, 'hex');
  });

const tokenSchema = strict({
  token,
  user,
  name: text.exactOptional(),
  expires: text
    .refine((value) => DATE.test(value) && !Number.isNaN(Date.parse(value)), {
      error: 'must be a date such as 2030-01-31 or 2030-01-31T12:00:00Z',
    })
    .transform((value) => Date.parse(value))
    .exactOptional(),
  grants,
});

const jwtSchema = strict({
  secret: text.exactOptional(),
  'secret-file': text.exactOptional(),
  'public-key': text.exactOptional(),
  'public-key-file': text.exactOptional(),
  'jwks-file': text.exactOptional(),
  issuer: text.exactOptional(),
  audience: text.exactOptional(),
  prefix: text.exactOptional(),
  grants: grants.exactOptional(),
  limit: grants.exactOptional(),
});

const ONE_OF = 'must name one of user, jti, sha256';
const revokedSchema = z.union(
  [z.strictObject({ user: text }), z.strictObject({ jti: text }), z.strictObject({ sha256: hash })],
  { error: ONE_OF },
);

const fileSchema = strict({
  anonymous: grants.exactOptional(),
  tokens: list(tokenSchema).exactOptional(),
  jwt: list(jwtSchema).exactOptional(),
  revoked: list(revokedSchema).exactOptional(),
});
type JwtItem = z.output<typeof jwtSchema>;

const KEYS = ['secret', 'secret-file', 'public-key', 'public-key-file', 'jwks-file'] as const;

/** One reading of the file. */
class AuthReader {
  readonly #name: string;
  readonly #folder: string;
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #readFile: ReadFile;

  constructor(name: string, folder: string, document: Document, lines: LineCounter, read: ReadFile) {
    this.#name = name;
    this.#folder = folder;
    this.#document = document;
    this.#lines = lines;
    this.#readFile = read;
  }

  async read(): Promise<AuthConfig> {
    const parsed = fileSchema.safeParse(this.#tree());
    if (!parsed.success) throw this.#faultOf(parsed.error);
    const { anonymous, tokens = [], jwt = [], revoked = [] } = parsed.data;
    // An editor may leave a file empty for a moment.
    if (anonymous === undefined && tokens.length === 0 && jwt.length === 0)
      throw new BflyError('BAD_REQUEST', `${this.#name} lets nobody in: it must have one of tokens, jwt, anonymous`);
    const known = new Map<string, number>();
    for (const [index, { token }] of tokens.entries()) {
      const before = known.get(token.toString('hex'));
      if (before !== undefined) throw this.#fault(['tokens', index, 'token'], `is the token of tokens[${before}] too`);
      known.set(token.toString('hex'), index);
    }
    return {
      ...(anonymous === undefined ? {} : { anonymous }),
      tokens: tokens.map(({ token, expires, name, ...rest }) => ({
        ...rest,
        sha256: token,
        name: name ?? rest.user,
        ...(expires === undefined ? {} : { expiresAt: expires }),
      })),
      jwt: await Promise.all(jwt.map((item, index) => this.#keyRule(item, index))),
      revoked: {
        users: new Set(revoked.flatMap((item) => ('user' in item ? [item.user] : []))),
        ids: new Set(revoked.flatMap((item) => ('jti' in item ? [item.jti] : []))),
        hashes: new Set(revoked.flatMap((item) => ('sha256' in item ? [item.sha256] : []))),
      },
    };
  }

  /** The file as plain values; keys of the top without a value are as good as absent. */
  #tree(): unknown {
    let tree: unknown;
    try {
      tree = this.#document.toJS() ?? {};
    } catch (cause) {
      throw new BflyError('BAD_REQUEST', `${this.#name} is not legal YAML: its aliases cannot be followed`, { cause });
    }
    if (tree === '') return {};
    if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) return tree;
    return Object.fromEntries(Object.entries(tree).filter(([, value]) => value !== '' && value !== null));
  }

  async #keyRule(item: JwtItem, index: number): Promise<KeyRule> {
    const named = KEYS.filter((key) => item[key] !== undefined);
    const [key] = named;
    if (key === undefined || named.length > 1) throw this.#fault(['jwt', index], `must name one of ${KEYS.join(', ')}`);
    const at = ['jwt', index, key];
    const written = item[key] ?? '';
    const { issuer, audience, limit } = item;
    return {
      kind: key.startsWith('secret') ? 'secret' : key === 'jwks-file' ? 'jwks' : 'public-key',
      material: key.endsWith('-file') ? await this.#keyFile(written, at) : Buffer.from(written, 'utf8'),
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
      ...(limit === undefined ? {} : { limit }),
      prefix: item.prefix ?? '',
      grants: item.grants ?? [],
      where: this.#where(at),
    };
  }

  async #keyFile(written: string, at: readonly PropertyKey[]): Promise<Uint8Array> {
    const file = written.startsWith('~/')
      ? path.join(homedir(), written.slice(2))
      : path.resolve(this.#folder, written);
    return this.#readFile(file).catch((cause: NodeJS.ErrnoException) => {
      throw this.#fault(at, whyUnreadable(cause));
    });
  }

  #faultOf(error: z.ZodError): BflyError {
    // A misspelt key says more than the one that is missing for it.
    const issue = error.issues.find(({ code }) => code === 'unrecognized_keys') ?? error.issues[0];
    if (issue === undefined) return new BflyError('BAD_REQUEST', `${this.#name} cannot be read`);
    // The line of the key itself, which is not told: it may be anything.
    const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
    return this.#fault(issue.path, issue.message, unknown);
  }

  #fault(at: readonly PropertyKey[], message: string, unknownKey?: string): BflyError {
    return new BflyError('BAD_REQUEST', `${this.#where(at, unknownKey)} ${message}`);
  }

  /** File, line and key of what stands at a place. */
  #where(at: readonly PropertyKey[], unknownKey?: string): string {
    const line = this.#lineOf(unknownKey === undefined ? at : [...at, unknownKey]);
    const key = at.map((part, n) => (typeof part === 'number' ? `[${part}]` : `${n === 0 ? '' : '.'}${String(part)}`));
    return `${this.#name}${line === undefined ? '' : ` line ${line}`}: ${at.length === 0 ? 'the file' : key.join('')}`;
  }

  /** The line of a key, or of the nearest thing around it that is there. */
  #lineOf(at: readonly PropertyKey[]): number | undefined {
    for (let depth = at.length; depth > 0; depth--) {
      const parent = depth === 1 ? this.#document.contents : this.#document.getIn(at.slice(0, depth - 1), true);
      const last = at[depth - 1];
      const pair = isMap(parent) ? parent.items.find(({ key }) => scalarText(key) === last)?.key : undefined;
      const offset = rangeStart(pair) ?? rangeStart(this.#document.getIn(at.slice(0, depth), true));
      if (offset !== undefined) return this.#lines.linePos(offset).line;
    }
    return undefined;
  }
}

function scalarText(node: unknown): unknown {
  return typeof node === 'object' && node !== null && 'value' in node ? node.value : node;
}

function rangeStart(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  const [start]: unknown[] = node.range;
  return typeof start === 'number' ? start : undefined;
}

function whyUnreadable({ code }: NodeJS.ErrnoException): string {
  return code === 'ENOENT' ? 'does not exist' : `cannot be read (${code ?? 'unknown'})`;
}
