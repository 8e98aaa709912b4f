/** `bfly serve`: the server. Also what `bfly` without a command does. */
import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import { counted } from '../client/words.ts';
import { writeFileWhole } from '../utility/atomic-file.ts';
import { catalogueChannels, writeCatalogueYaml } from '../utility/config.ts';
import { openProgress } from '../utility/progress.ts';
import { readMebibytes, readOrigin, readPort, withLogLevel } from './arguments.ts';
import { type Context, type RunningServer, say } from './context.ts';
import { describeKept } from './kept-edits.ts';
import { planServer, type ServeOptions, type ServePlan } from './serve-plan.ts';

/** Adds the command. */
export function addServe(program: Command, context: Context): void {
  const command = program
    .command('serve', { isDefault: true })
    .summary('serve volumes (the default command)')
    .description(
      'Serves volumes over WebSocket and HTTP until it gets SIGINT or SIGTERM. Give folders, volumes or configurations; ' +
        'without any, $RH_CONFIG_FILENAME or ~/.rh-config.yaml is served.',
    )
    .argument('[source...]', 'folders, volumes, or configurations (.yaml, .yml, .json)')
    .option('--host <address>', 'address to listen on; 0.0.0.0 = all networks (default: 127.0.0.1)')
    .option('--port <port>', 'port to listen on; 0 = any (default: 2001)', readPort)
    .option('--data <folder>', 'where ingested volumes and edits are kept (default: .bfly)')
    .addOption(
      new Option('--transport <name>', 'WebSocket library; auto = uws where it runs (default: auto)').choices([
        'auto',
        'uws',
        'ws',
      ]),
    )
    .option('--cache-mb <MiB>', 'memory for tiles (default: 1024)', readMebibytes)
    .option('--auth <file>', 'who may what (.yaml); see bfly token --help')
    .option('--open', 'let everybody do everything, also from other machines')
    .option(
      '--origin <url>',
      'let pages of this origin connect, such as https://em.example.org of a proxy in front; may be given several times',
      readOrigin,
    )
    .option('--demo', 'serve a volume made for the purpose, to try things on')
    .option('-e, --exp <source>', 'a configuration or a folder, as a source')
    .option('-o, --out <file>', 'write what is served as a configuration')
    .action((sources: string[], options: ServeOptions) => serve(sources, options, context));
  withLogLevel(command, 'debug, info, warn, error or silent (default: info)').addHelpText(
    'after',
    `
Examples:
  $ bfly serve --demo                         something to try at once
  $ bfly serve ~/data                         whatever volumes are in a folder
  $ bfly serve em.h5 labels.tif --port 8080   single volumes
  $ bfly serve fly.yaml                       what a configuration names
  $ bfly serve fly.yaml --host 0.0.0.0 --auth auth.yaml
                                              for other machines, who say who they are
  $ bfly serve fly.yaml --auth auth.yaml --origin https://em.example.org
                                              behind a reverse proxy, at any path below it
  $ bfly -e ~/data -o fly.yaml                find volumes, keep the list, serve it`,
  );
}

async function serve(sources: readonly string[], options: ServeOptions, context: Context): Promise<void> {
  const { terminal, parts } = context;
  const plan = await planServer(sources, options, { findVolumes: parts.findVolumes, env: terminal.env });
  for (const warning of plan.warnings) say(terminal, warning);
  if (options.out !== undefined) {
    await writeFileWhole(options.out, [Buffer.from(writeCatalogueYaml(plan.server.catalogue))]);
    say(terminal, `${counted(catalogueChannels(plan.server.catalogue).length, 'channel')} written to ${options.out}`);
  }
  await runServer(plan, context);
}

/** Runs until the first signal. */
async function runServer(plan: ServePlan, context: Context): Promise<void> {
  const { terminal, parts } = context;
  const abort = new AbortController();
  const interrupted = new Promise<void>((resolve) => {
    abort.signal.addEventListener('abort', () => resolve());
  });
  const forget = terminal.onInterrupt(() => abort.abort());
  const progress = openProgress({ label: 'making the demonstration volume', unit: 'voxels', stream: terminal.err });
  try {
    const server = await parts.startServer({
      ...plan.server,
      log: await parts.openLog(plan.logLevel),
      signal: abort.signal,
      onDemoProgress: ({ voxelsDone, voxelsTotal, bytesDone, elapsedMs }) => {
        progress.update({ done: voxelsDone, total: voxelsTotal, bytes: bytesDone, elapsedMs });
        // Before anything else is written beside the bar.
        if (voxelsDone === voxelsTotal) progress.end();
      },
    });
    progress.end();
    const { url, transport, channels, keptEdits } = server;
    const page = server.viewer ? `${describePage(server, plan)}\n` : '';
    await terminal.out(`bfly listening on ${url} (${transport}), ${counted(channels, 'channel')}\n${page}`);
    if (plan.server.demo) await terminal.out(await demoHints(url));
    else if (channels === 0) say(terminal, 'there is nothing to show yet; try bfly serve FOLDER, or bfly serve --demo');
    for (const line of await describeKept(keptEdits)) say(terminal, line);
    await interrupted;
    await server.stop();
  } catch (error) {
    progress.end();
    // Stopped before it had begun: that is what was wanted.
    if (!abort.signal.aborted) throw error;
    say(terminal, 'interrupted; the next start goes on where it was');
  } finally {
    forget();
  }
}

/** Where the viewer is, and what it takes to get in. Tokens are not known here: the file of --auth has only their hashes. */
function describePage({ port }: RunningServer, { server: { host, auth, allowedOrigins = [] } }: ServePlan): string {
  const isEverywhere = host === '0.0.0.0' || host === '::';
  const name = isEverywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  const elsewhere = isEverywhere ? [`http://${hostname()}:${port}/ from other machines`] : [];
  const proxied = allowedOrigins.filter((origin) => origin !== '*').map((origin) => `${origin} where its proxy has it`);
  const others = [...elsewhere, ...proxied];
  const open = `open http://${name}:${port}/${others.length === 0 ? '' : ` (${others.join(', ')})`}`;
  return auth === undefined ? open : `${open}; it asks for a token, or takes it from a link: …/#token=TOKEN`;
}

/** What to try on the demonstration. */
async function demoHints(url: string): Promise<string> {
  const { DEMO_PATHS } = await import('../ingest/demo.ts');
  const [em, segmentation] = DEMO_PATHS;
  const lines = [
    `npx bfly ls ${url} -r`,
    `npx bfly info ${url} ${em}`,
    `npx bfly pull ${url} ${em} --box 0,0,64,512,512,65 -o slice.png`,
    `npx bfly unique ${url} ${segmentation} --box 0,0,0,64,64,64`,
    `npx bfly pull ${url} ${segmentation} -o segments.npy`,
  ];
  return `\nTry next, in another terminal:\n${lines.map((line) => `  ${line}\n`).join('')}\nCtrl-C stops the server.\n`;
}
