/** NDStore's API at `/nd`, for Neuroglancer's `ndstore://` layers. Source: parity.md 7. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Core } from '../../core/core.ts';
import type { DataQuery } from '../../query/query.ts';
import { dataAnswer, type LegacyApiOptions, readableBy } from './legacy-api.ts';
import { answered, valueAnswer } from './legacy-api-answer.ts';
import { chosen, datasetOf, fault, integer } from './legacy-api-params.ts';
import { LegacyWork } from './legacy-api-work.ts';
import { type NdChannel, ndInfo } from './nd-info.ts';
import type { Route, WebAnswer, WebRequest } from './route.ts';

/** What stands in the place of a token where the tokens are asked for. */
const TOKENS = 'public_tokens';
/** Boxes of requests that leave them out. */
const RANGES = ['0,512', '0,512', '0,1'] as const;

/** Makes the route. */
export function ndRoute({ core, work = new LegacyWork() }: LegacyApiOptions): Route {
  return {
    prefix: '/nd',
    handle: (request) =>
      answered(async () => {
        const [target, token, ...rest] = request.segments;
        if (target === TOKENS || token === TOKENS) return valueAnswer(tokensOf(core, request), 'json');
        chosen('target', target, ['sd']);
        const dataset = datasetOf(token);
        if (dataset === undefined || core.namesIn(dataset, readableBy(request)).length === 0) return undefined;
        if (rest[0] === 'info' && rest.length === 1) return info(core, dataset, request);
        const [channel, ...wanted] = rest;
        const path = `${dataset}/${channel?.normalize('NFC')}`;
        if (!core.hasChannel(path) || !request.mayRead(path)) return undefined;
        return dataAnswer({ core, work }, queryOf(path, wanted));
      }),
  };
}

function tokensOf(core: Core, request: WebRequest): string[] {
  const mayRead = readableBy(request);
  return core
    .namesIn('', mayRead)
    .flatMap((experiment) =>
      core
        .namesIn(experiment, mayRead)
        .flatMap((sample) =>
          core.namesIn(`${experiment}/${sample}`, mayRead).map((dataset) => [experiment, sample, dataset].join('::')),
        ),
    );
}

/** Channels that do not open are left out. */
async function info(core: Core, dataset: string, request: WebRequest): Promise<WebAnswer | undefined> {
  const names = core.namesIn(dataset, readableBy(request));
  const faults: unknown[] = [];
  const found = await Promise.all(
    names.map(async (name): Promise<NdChannel | undefined> => {
      try {
        return { name, channel: await core.updateQuery({ path: `${dataset}/${name}` }) };
      } catch (error) {
        faults.push(error);
        return undefined;
      }
    }),
  );
  const [first, ...others] = found.filter((item) => item !== undefined);
  if (first === undefined) throw faults[0];
  return valueAnswer(ndInfo(dataset.slice(dataset.lastIndexOf('/') + 1), [first, ...others]), 'json');
}

/** `xy/<r>/<x0,x1>/<y0,y1>/<z>` or `<format>/<r>[/<x0,x1>[/<y0,y1>[/<z0,z1>]]]`; what follows is passed over. */
function queryOf(path: string, [kind, r, x, y, z]: readonly string[]): DataQuery {
  if (kind === undefined || r === undefined)
    throw fault('The path needs a format and a resolution: /nd/sd/TOKEN/CHANNEL/FORMAT/RESOLUTION/X0,X1/Y0,Y1/Z0,Z1.');
  const slice = kind.toLowerCase();
  if (slice === 'xz' || slice === 'yz') throw new BflyError('BAD_REQUEST', `The slice ${slice} is not in ['xy'].`);
  const resolution = integer('resolution', r);
  const [x0, width] = rangeOf('x', x ?? RANGES[0]);
  const [y0, height] = rangeOf('y', y ?? RANGES[1]);
  const [z0, depth] = slice === 'xy' ? [integer('z', z, 0), 1] : rangeOf('z', z ?? RANGES[2]);
  const format = slice === 'xy' ? 'tif' : kind;
  return { path, resolution, origin: [x0, y0, z0], size: [width, height, depth], format, view: 'grayscale' };
}

/** First and count. @throws BflyError BAD_REQUEST where the end does not come behind the start. */
function rangeOf(axis: string, text: string): [from: number, count: number] {
  const [start, stop, ...more] = text.split(',');
  const [from, to] = [integer(`${axis}0`, start), integer(`${axis}1`, stop)];
  if (more.length > 0) throw fault(`The range of ${axis} must be ${axis}0,${axis}1.`);
  if (from < 0) throw fault(`The ${axis}0 ${from} is not in the volume.`);
  if (to <= from) throw fault(`The ${axis}1 ${to} is not above the ${axis}0 ${from}.`);
  return [from, to - from];
}
