/** `bfly token`: makes a token, for the file of `bfly serve --auth` or signed. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { BflyError } from '../../protocol/errors.ts';
import { counted } from '../client/words.ts';
import { GRANTABLE, type Grant, grantPathFault, userFault } from '../utility/auth-config.ts';
import { addTokenTo, type NewToken, writeTokenYaml } from '../utility/write-auth-config.ts';
import { type Context, say } from './context.ts';

interface TokenOptions {
  readonly user: string;
  readonly name?: string;
  readonly grant: readonly Grant[];
  /** Milliseconds since 1970. */
  readonly expires?: number;
  readonly sign?: string;
  readonly into?: string;
  readonly issuer?: string;
  readonly audience?: string;
}

const DAY_MS = 86_400_000;
/** How long a signed token holds unless told: nothing but its end takes it back by itself. */
const SIGNED_DAYS = 30;
const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS };

/** Adds the command. */
export function addToken(program: Command, context: Context): void {
  program
    .command('token')
    .summary('make a token that says who somebody is and what they may')
    .description(
      'Makes a token. Prints it, and behind it the lines for the file of bfly serve --auth, which hold only its hash. ' +
        'With --sign the token says by itself what it grants, and the file needs the key alone.',
    )
    .requiredOption('--user <id>', 'whose it is; never changes', readUser)
    .option('--name <name>', 'name for people (default: the user)')
    .requiredOption('--grant <path=right>', 'what it grants; may be given several times', readGrant)
    .option(
      '--expires <when>',
      'how long it holds: 90m, 12h, 7d, 4w or a date (default: for ever; signed: 30d)',
      readEnd,
    )
    .option(
      '--into <file.yaml>',
      'add it to a file for bfly serve --auth, which is made if need be, and print it alone',
    )
    .option('--sign <file>', 'sign it with a private key (PEM or JWK) or a secret of 32 bytes or more')
    .option('--issuer <text>', 'iss of a signed token')
    .option('--audience <text>', 'aud of a signed token')
    .addHelpText(
      'after',
      `
Rights: read; annotate (tables, and read); edit (bodies and voxels, undo of others' edits, and
annotate); edit-own (edit without undo of others' edits); admin (all). A grant holds for its path and
everything below it; the path * is everything.

Examples:
  $ bfly token --user ada --name "Ada Lovelace" --grant fly/medulla=edit --grant '*=read'
  $ bfly token --user guest --grant fly=read,annotate --expires 7d --into auth.yaml
  $ bfly token --user ada --grant fly=edit --sign private.pem --issuer lab --expires 12h

The file of --auth:
  tokens:
    - token: sha256:…              # as this command prints them
      user: ada
      grants: {fly/medulla: edit}
  jwt:
    - public-key-file: public.pem  # of the key of --sign; or secret-file, jwks-file
      issuer: lab
  anonymous: {fly/public: read}    # visitors without a token
  revoked: [{user: eve}]           # or jti, or sha256 of a token`,
    )
    .action((options: TokenOptions) => makeToken(options, context));
}

async function makeToken(options: TokenOptions, context: Context): Promise<void> {
  const { user, name = user, grant: grants, expires } = options;
  if (options.sign !== undefined && options.into !== undefined)
    throw new BflyError('BAD_REQUEST', 'a signed token stands in no file: leave out --into or --sign');
  if (options.sign !== undefined) return signToken(options, options.sign, context);
  if (options.issuer !== undefined || options.audience !== undefined)
    throw new BflyError('BAD_REQUEST', '--issuer and --audience belong to a signed token: add --sign FILE');
  const token = `bfly_${randomBytes(32).toString('base64url')}`;
  const rule = { token, user, name, grants, ...(expires === undefined ? {} : { expiresAt: expires }) };
  if (options.into !== undefined) return addTokenInto(rule, options.into, context);
  const lines = writeTokenYaml(rule);
  await context.terminal.out(`${token}\n\n${lines}`);
  say(context.terminal, `give the first line to ${user} alone, and put the others into the file of bfly serve --auth`);
}

/** Puts a token into a file; what is printed on standard output is the token alone. */
async function addTokenInto(rule: NewToken, file: string, { terminal }: Context): Promise<void> {
  const { user } = rule;
  const config = await addTokenTo(file, rule);
  await terminal.out(`${rule.token}\n`);
  const tokens = config.tokens.filter((one) => one.user === user).length;
  const has = tokens === 1 ? `${user} may enter` : `${user} has ${counted(tokens, 'token')}`;
  say(terminal, `${has} by ${file} now: a server of bfly serve --auth ${file} takes it up at once`);
  say(terminal, `give the token to ${user} alone, for --token or BFLY_TOKEN: BFLY_TOKEN=bfly_… bfly ls HOST:PORT`);
  if (config.revoked.users.has(user))
    say(terminal, `but ${file} also revokes ${user}: nobody enters by this token until that goes`);
}

async function signToken(options: TokenOptions, keyFile: string, { terminal, parts }: Context): Promise<void> {
  const { user, name = user, grant: grants, issuer, audience } = options;
  const now = Date.now();
  const end = options.expires ?? now + SIGNED_DAYS * DAY_MS;
  const jti = randomBytes(8).toString('hex');
  const token = await parts.signToken(await readFile(keyFile), {
    sub: user,
    name,
    iat: Math.floor(now / 1_000),
    exp: Math.floor(end / 1_000),
    jti,
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(audience === undefined ? {} : { aud: audience }),
    grants,
  });
  await terminal.out(`${token}\n`);
  say(terminal, `it holds until ${new Date(end).toISOString()}; revoked: [{jti: ${jti}}] takes it back before`);
}

function readUser(text: string): string {
  const fault = userFault(text);
  if (fault !== undefined) throw new InvalidArgumentError(`It ${fault}.`);
  return text;
}

function readGrant(text: string, before: readonly Grant[] = []): Grant[] {
  const cut = text.lastIndexOf('=');
  const path = text
    .slice(0, Math.max(0, cut))
    .replace(/^\/+|\/+$/g, '')
    .normalize('NFC');
  const words = text.slice(cut + 1).split(',');
  const rights = GRANTABLE.filter((right) => words.includes(right));
  const legal = `It is PATH=RIGHT, the right one or more of ${GRANTABLE.join(', ')}: fly/medulla=edit.`;
  if (cut < 1 || words.some((word) => !GRANTABLE.some((right) => right === word)))
    throw new InvalidArgumentError(legal);
  const fault = grantPathFault(path);
  if (fault !== undefined || path === '') throw new InvalidArgumentError(`Its path ${fault ?? 'is empty'}. ${legal}`);
  return [...before, { path: path === '*' ? '' : path, rights }];
}

function readEnd(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const date = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  const end = count === undefined ? date : Date.now() + Number(count) * (UNITS[unit] ?? Number.NaN);
  if (end > Date.now()) return end;
  throw new InvalidArgumentError('It is a time to come, such as 90m, 12h, 7d, 4w or 2030-01-31.');
}
