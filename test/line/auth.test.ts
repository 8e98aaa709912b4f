/** Whole servers with and without `--auth`: who is let in, from where, and what a changed file does to them. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/client/node.ts';
import { type RunningServer, type ServerOptions, startServer } from '../../src/server.ts';
import { keepingLog, type LogLine } from '../support/keeping-log.ts';
import { lineTransports, needsBuild, temporaryFolder } from '../support/line-server.ts';

const TOKEN = 'the-token-of-ada-0123456789';
const yaml = (grants: string): string => `tokens:\n  - {token: ${TOKEN}, user: ada, grants: ${grants}}\n`;

needsBuild();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const servers: RunningServer[] = [];
let log: LogLine[] = [];
let count = 0;

beforeAll(async () => {
  folder = await temporaryFolder('auth');
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  log = [];
});
afterAll(() => folder.dispose());

const start = async (options: Partial<ServerOptions>): Promise<RunningServer> => {
  const server = await startServer({
    ...{ host: '127.0.0.1', port: 0, transport: 'auto', cacheBytes: 2 ** 20, demo: false, allowedPaths: [] },
    catalogue: { experiments: [] },
    dataDir: path.join(folder.path, `store-${count++}`),
    log: keepingLog(log),
    graceMs: 50,
    ...options,
  });
  servers.push(server);
  return server;
};

describe('a server', () => {
  it('without --auth and --open listens on loopback only', async () => {
    for (const host of ['0.0.0.0', '::'])
      await expect(start({ host })).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringMatching(
          new RegExp(`^on ${host} everybody .* --auth FILE .* --open, .* --host 127.0.0.1$`),
        ),
      });
    await start({ host: 'localhost' });
    const open = await start({ host: '0.0.0.0', open: true });
    const session = await connect(`http://127.0.0.1:${open.port}`, { reconnect: false });
    await session.close();
  });

  it('does not start with --auth and --open at once, or with a file that is broken, and leaves nothing behind', async () => {
    const auth = path.join(folder.path, 'broken.yaml');
    await writeFile(auth, 'tokens: [{user: ada}]');
    await expect(start({ auth, open: true })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    const message = expect.stringContaining('broken.yaml line 1: tokens[0].token');
    await expect(start({ auth, host: '0.0.0.0' })).rejects.toMatchObject({ code: 'BAD_REQUEST', message });
  });

  for (const transport of lineTransports('the suite of --auth'))
    it(`lets in whom the file names, and ends them with a new file, over ${transport}`, async () => {
      const auth = path.join(folder.path, `${transport}.yaml`);
      await writeFile(auth, yaml('{"*": read}'));
      const { url } = await start({ auth, transport });
      await expect(connect(url, { reconnect: false })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
      const session = await connect(url, { reconnect: false, token: TOKEN });
      await writeFile(auth, `${yaml('{"*": read}')}revoked: [{user: ada}]`);
      expect(await session.closed).toMatchObject({ code: 4202 });
      expect(JSON.stringify(log)).not.toContain(TOKEN);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
    });
});
