/** The description of the HTTP side, held to what a server answers. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL_PAGES, openApiDocument } from '../../../src/access/http/openapi.ts';
import { PARAMETERS } from '../../../src/access/http/openapi-page.ts';
import { ParityServer } from '../../support/parity-server.ts';
import { DS_SOMATA, DS_SYNAPSES } from '../../support/table-files.ts';
import type { FetchedResponse } from '../../support/transport-harness.ts';
import { ViewerFiles } from '../../support/viewer-files.ts';

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly example?: string;
}
interface Operation {
  readonly operationId: string;
  readonly parameters: readonly (Parameter | { readonly $ref: string })[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, { readonly get: Operation }>>;
  readonly components: { readonly parameters: Readonly<Record<string, Parameter>> };
}

/** The demonstration's names, so that the examples are right for those who try them. */
const CONFIG = `
bfly:
  allowed-paths: [.]
  experiments:
    - name: demo
      samples:
        - name: cortex
          datasets:
            - name: cube
              path: tables
              channels:
                - {name: em, path: em}
                - {name: segmentation, path: segmentation}
`;

/** Writes a precomputed volume of one chunk of 64³. */
async function writeVolume(folder: string, type: string, dataType: string, bytes: number, more: object): Promise<void> {
  const scale = {
    ...{ key: '8_8_8', size: [64, 64, 64], voxel_offset: [0, 0, 0], resolution: [8, 8, 8] },
    ...{ chunk_sizes: [[64, 64, 64]], encoding: 'raw' },
  };
  const info = { '@type': 'neuroglancer_multiscale_volume', type, data_type: dataType, num_channels: 1, ...more };
  await mkdir(path.join(folder, '8_8_8'), { recursive: true });
  await writeFile(path.join(folder, 'info'), JSON.stringify({ ...info, scales: [scale] }));
  await writeFile(path.join(folder, '8_8_8', '0-64_0-64_0-64'), Buffer.alloc(bytes * 64 ** 3, 1));
  for (const name of Object.values(more)) {
    await mkdir(path.join(folder, String(name)));
    await writeFile(path.join(folder, String(name), 'info'), JSON.stringify({ '@type': `neuroglancer_${name}` }));
  }
}

let folder = '';
let viewer: ViewerFiles;
let server: ParityServer;
let document: Document;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'bfly-openapi-'));
  await writeVolume(path.join(folder, 'em'), 'image', 'uint8', 1, {});
  const beside = { mesh: 'mesh', skeletons: 'skeletons' };
  await writeVolume(path.join(folder, 'segmentation'), 'segmentation', 'uint64', 8, beside);
  await mkdir(path.join(folder, 'tables'));
  await writeFile(path.join(folder, 'tables', 'synapse-connections.json'), JSON.stringify(DS_SYNAPSES));
  await writeFile(path.join(folder, 'tables', 'neuron-soma.json'), JSON.stringify(DS_SOMATA));
  viewer = await ViewerFiles.make();
  await viewer.build();
  server = await ParityServer.start('ws', folder, { config: CONFIG, viewer: viewer.folder });
  document = (await server.json('/openapi.json')) as Document;
});
afterAll(async () => {
  await server?.stop();
  await viewer?.remove();
  await rm(folder, { recursive: true, force: true });
});

/** The operation's example: every required parameter has one. */
function targetOf(template: string, { parameters }: Operation): string {
  let target = template;
  const query = new URLSearchParams();
  for (const parameter of parameters) {
    const { name, example, required, ...where } =
      '$ref' in parameter
        ? (document.components.parameters[parameter.$ref.split('/').at(-1) ?? ''] as Parameter)
        : parameter;
    if (!required) continue;
    if (example === undefined) throw new Error(`${name} of ${template} has no example`);
    if (where.in === 'query') query.set(name, example);
    else target = target.replace(`{${name}}`, encodeURIComponent(example));
  }
  return query.size === 0 ? target : `${target}?${query}`;
}

const typeOf = ({ headers }: FetchedResponse): string => headers['content-type']?.split(';')[0] ?? '';

describe('the description of the HTTP side', () => {
  it('is legal OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone({ ...openApiDocument('1.2.3') }));
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Butterfly' } });
  });

  it('names every operation once, and no parameter that no page has', () => {
    const operations = Object.values(document.paths).map(({ get }) => get.operationId);
    expect(new Set(operations).size).toBe(operations.length);
    expect(Object.keys(document.paths).length).toBe(ALL_PAGES.length);
    const text = JSON.stringify(document.paths);
    for (const [key, { name }] of Object.entries(PARAMETERS))
      expect(text.includes(`parameters/${key}"`) || text.includes(`"name":"${name}"`), key).toBe(true);
  });

  it('describes pages of every route, and none of a route that is not', () => {
    const prefixes = server.web.routes.map(({ prefix }) => prefix);
    const paths = Object.keys(document.paths);
    const isOf = (prefix: string, page: string): boolean => page === prefix || page.startsWith(`${prefix}/`);
    for (const prefix of prefixes)
      expect(
        paths.some((page) => isOf(prefix, page)),
        prefix,
      ).toBe(true);
    for (const page of paths)
      expect(
        prefixes.some((prefix) => isOf(prefix, page)),
        page,
      ).toBe(true);
  });

  describe.each(ALL_PAGES.map(({ path: template }) => template))('%s', (template) => {
    it('answers its example with 200 and a content type that is named, by GET and HEAD', async () => {
      const operation = document.paths[template]?.get as Operation;
      const target = targetOf(template, operation);
      const answer = await server.get(target);
      expect([target, answer.status, answer.status === 200 ? '' : answer.body.toString()]).toEqual([target, 200, '']);
      expect(Object.keys(operation.responses['200']?.content ?? {})).toContain(typeOf(answer));
      const head = await server.get(target, { method: 'HEAD' });
      expect([head.status, typeOf(head), head.body.length]).toEqual([200, typeOf(answer), 0]);
    });

    it('answers what it says of other requests', async () => {
      const operation = document.paths[template]?.get as Operation;
      const target = targetOf(template, operation);
      const { headers } = await server.get(target);
      const etag = headers.etag;
      const wrong = await server.get(target, { method: 'DELETE' });
      expect([wrong.status, wrong.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
      expect((await server.get(target, { method: 'OPTIONS' })).status).toBe(204);
      if (etag === undefined) return expect(headers['cache-control']).toBe('no-store');
      expect(etag).toMatch(/^"/);
      expect((await server.get(target, { headers: { 'if-none-match': etag } })).status).toBe(304);
      expect((await server.get(target, { headers: { 'if-match': '"other"' } })).status).toBe(412);
      expect((await server.get(target, { headers: { range: 'bytes=0-1' } })).headers['content-range']).toMatch(
        /^bytes 0-1\//,
      );
    });
  });
});
