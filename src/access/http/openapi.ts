/** The description of the HTTP side, OpenAPI 3.1: `/openapi.json`. What stands in it of each family: `openapi-*.ts`. */
import { LEGACY_PAGES } from './openapi-legacy.ts';
import { PARAMETERS, type PageDoc } from './openapi-page.ts';
import { SERVICE_PAGES } from './openapi-service.ts';
import { VOLUME_PAGES } from './openapi-volumes.ts';
import type { Route } from './route.ts';

/** Everything that is described. */
export const ALL_PAGES: readonly PageDoc[] = [...SERVICE_PAGES, ...VOLUME_PAGES, ...LEGACY_PAGES];

const TEXT = { 'text/plain': { schema: { type: 'string' } } };
const text = (description: string): object => ({ description, content: TEXT });
const later = (description: string): object => ({
  description,
  headers: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer', minimum: 1 } } },
  content: TEXT,
});

/** Answers that any page may give. */
const RESPONSES = {
  Unchanged: { description: 'What If-None-Match names is what there is.' },
  Wrong: text('The path or a parameter is wrong; one sentence says how it would be right.'),
  Unauthenticated: text('There is no token, or none that holds.'),
  NothingHere: text('There is nothing here, or nothing that the one who asks may read.'),
  Changed: text('What If-Match names is not what there is.'),
  OutsideRange: text('The range holds no byte; Content-Range says how many there are.'),
  TooOften: later('This address asks too often, or tried too many wrong tokens.'),
  Busy: later('The server has too much to do, or is on its way out.'),
};
const USUAL = {
  '304': 'Unchanged',
  '400': 'Wrong',
  '401': 'Unauthenticated',
  '404': 'NothingHere',
  '412': 'Changed',
  '416': 'OutsideRange',
  '429': 'TooOften',
  '503': 'Busy',
} as const;

/** `/openapi.json`. @param server name and version, such as `butterfly 0.1.0`. */
export function openApiRoute(server: string): Route {
  const version = server.slice(server.lastIndexOf(' ') + 1);
  let body: string | undefined;
  return {
    prefix: '/openapi.json',
    isPublic: true,
    handle: ({ segments }) => {
      if (segments.length > 0) return undefined;
      body ??= JSON.stringify(openApiDocument(version));
      return { type: 'application/json', body };
    },
  };
}

/** The document. */
export function openApiDocument(version: string): Readonly<Record<string, unknown>> {
  return {
    openapi: '3.1.0',
    info: { title: 'Butterfly', version, description: ABOUT, license: { name: 'MIT', identifier: 'MIT' } },
    // Where this description is: behind a proxy that may be below a prefix.
    servers: [{ url: '.' }],
    // No token, one in a header, or one in the query.
    security: [{}, { header: [] }, { query: [] }],
    tags: [...new Set(ALL_PAGES.map(({ tag }) => tag))].map((name) => ({ name })),
    paths: Object.fromEntries(ALL_PAGES.map((page) => [page.path, { get: operationOf(page) }])),
    components: {
      parameters: Object.fromEntries(Object.entries(PARAMETERS).map(([name, parameter]) => [name, parameter])),
      responses: RESPONSES,
      securitySchemes: {
        header: { type: 'http', scheme: 'bearer' },
        query: { type: 'apiKey', in: 'query', name: 'token', description: 'Kept in logs: prefer the header.' },
      },
    },
  };
}

const ABOUT =
  'Volumes of a Butterfly server over HTTP. Every page may be read by pages of any origin, has a strong ETag, answers conditional requests and ' +
  'single ranges of bytes, and HEAD and OPTIONS. A channel may be followed by @SEQ, its state after that edit, and by @merged, its bodies.';

function operationOf(page: PageDoc): Readonly<Record<string, unknown>> {
  const { path, tag, summary, types, schema, query = [], examples = {}, isPublic = false, also = {} } = page;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const answers = isPublic ? [] : Object.entries(USUAL);
  return {
    operationId: path.replace(/[^\w]+/g, '_').replace(/^_|_$/g, '') || 'root',
    tags: [tag],
    summary,
    ...(isPublic ? { security: [] } : {}),
    parameters: [...names, ...query].map((name) => parameterOf(name, examples[name])),
    responses: {
      '200': { description: 'It.', content: Object.fromEntries(types.map((type) => [type, contentOf(schema)])) },
      ...Object.fromEntries(
        Object.entries(also).map(([status, description]) => [status, { description, content: TEXT }]),
      ),
      ...Object.fromEntries(answers.map(([status, name]) => [status, { $ref: `#/components/responses/${name}` }])),
    },
  };
}

function contentOf(schema: PageDoc['schema']): object {
  return schema === undefined ? {} : { schema };
}

/** A parameter that all pages share, or the same with an example of its own. */
function parameterOf(name: string, example: string | undefined): object {
  return example === undefined ? { $ref: `#/components/parameters/${name}` } : { ...PARAMETERS[name], example };
}
