/** Writes tokens into the file of `--auth`; what may stand in it: `read-auth-config.ts`. */
import { readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Document, isMap, isSeq, parseDocument, stringify } from 'yaml';
import { BflyError } from '../../protocol/errors.ts';
import { writeFileWhole } from './atomic-file.ts';
import { type AuthConfig, type TokenRule, tokenHash } from './auth-config.ts';
import { readAuthConfig } from './read-auth-config.ts';

/** What a new token grants, with the token itself, which is not written. */
export type NewToken = Omit<TokenRule, 'sha256'> & { readonly token: string };

/** Nobody else reads a new file: it says who works here. */
const PRIVATE = 0o600;

/** A user and grants as they are written in the file, for one token. */
export function writeTokenYaml(rule: NewToken): string {
  return stringify({ tokens: [itemOf(rule)] }, { version: '1.1', lineWidth: 0 });
}

/**
 * Adds a token to a file, which is there whole or as it was. Comments, order and permissions stay; a new file is its owner's alone.
 *
 * @returns what the file says now.
 * @throws BflyError BAD_REQUEST where the file was none before, or is none with the token; then it stays as it was.
 */
export async function addTokenTo(file: string, rule: NewToken): Promise<AuthConfig> {
  // A link stays one.
  const place = await realpath(file).catch(() => path.resolve(file));
  const before = await readFile(place, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const document = parseDocument(before, { schema: 'failsafe', merge: true, prettyErrors: false });
  // It says what is wrong, and in which line.
  if (document.errors.length > 0) await readAuthConfig(place);
  addItem(document, itemOf(rule), path.basename(file));
  const after = Buffer.from(document.toString({ lineWidth: 0, flowCollectionPadding: false }));
  const config = await readAuthConfig(place, async (name) => (name === place ? after : readFile(name)));
  const owner = await stat(place).catch(() => ({ mode: PRIVATE }));
  await writeFileWhole(place, [after], owner);
  return config;
}

function addItem(document: Document, item: object, name: string): void {
  const isEmpty = document.contents === null || !document.contents.toString().trim();
  if (isEmpty) document.contents = document.createNode({});
  const { contents } = document;
  const tokens = document.get('tokens');
  if (!isMap(contents))
    throw new BflyError('BAD_REQUEST', `${name} must be a map of keys and values, as bfly token shows`);
  if (tokens === undefined || tokens === null || tokens === '') document.set('tokens', document.createNode([item]));
  else if (isSeq(tokens)) tokens.add(document.createNode(item));
  else throw new BflyError('BAD_REQUEST', `${name}: tokens must be a list`);
}

function itemOf({ token, user, name, expiresAt, grants }: NewToken): object {
  return {
    token: `sha256:${tokenHash(token).toString('hex')}`,
    user,
    ...(name === user ? {} : { name }),
    ...(expiresAt === undefined ? {} : { expires: new Date(expiresAt).toISOString() }),
    grants: Object.fromEntries(
      grants.map((grant) => [
        grant.path === '' ? '*' : grant.path,
        grant.rights.length === 1 ? grant.rights[0] : grant.rights,
      ]),
    ),
  };
}
