/** What a server does, as numbers for Prometheus. The only file that imports prom-client. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Core } from '../../core/core.ts';
import type { SessionHub } from '../session/session-hub.ts';
import type { HttpRouter } from './router.ts';

/** Bounds of the buckets of durations, s. */
const REQUEST_BUCKETS = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
const COMMIT_BUCKETS = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const DELAY_QUANTILES = [0.5, 0.99, 1];
const DELAY_RESOLUTION_MS = 10;

/** Of one route: what is counted at every answer, without a look at any label. */
interface RouteCounts {
  readonly byStatus: Map<number, number>;
  observe(seconds: number): void;
}

/** What is watched. */
export interface Watched {
  readonly hub: SessionHub;
  readonly core: Core;
  readonly web: HttpRouter;
}

let processRegistry: Registry | undefined;

/** The metrics of one server. Numbers that others keep are read when somebody asks for them. */
export class ServerMetrics {
  /** The type of `text`. */
  readonly contentType: string = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #registry = new Registry();
  readonly #routes = new Map<string, RouteCounts>();
  readonly #durations: Histogram<'route'>;
  readonly #commits: Histogram;
  #edits = 0;
  #httpBytes = 0;
  #watched: Watched | undefined;
  #delay: IntervalHistogram | undefined;

  constructor() {
    const registers = [this.#registry];
    this.#durations = new Histogram({
      name: 'bfly_http_request_duration_seconds',
      help: 'Time from a request to its answer, by route.',
      labelNames: ['route'],
      buckets: REQUEST_BUCKETS,
      registers,
    });
    this.#commits = new Histogram({
      name: 'bfly_edit_commit_duration_seconds',
      help: 'Time that the store took to keep a commit of edits.',
      buckets: COMMIT_BUCKETS,
      registers,
    });
    this.#addRequests();
    this.#addCounters();
    this.#addGauges();
    this.#addDelay();
  }

  /** Says whose numbers are read. */
  watch(watched: Watched): void {
    this.#watched = watched;
  }

  /** An HTTP request was answered. */
  readonly onAnswer = (route: string, status: number, ms: number, bytes: number): void => {
    let counts = this.#routes.get(route);
    if (counts === undefined) {
      const durations = this.#durations.labels(route);
      counts = { byStatus: new Map(), observe: (seconds) => durations.observe(seconds) };
      this.#routes.set(route, counts);
    }
    counts.byStatus.set(status, (counts.byStatus.get(status) ?? 0) + 1);
    counts.observe(ms / 1_000);
    this.#httpBytes += bytes;
  };

  /** A commit of edits was kept. */
  readonly onCommit = (edits: number, ms: number): void => {
    this.#edits += edits;
    this.#commits.observe(ms / 1_000);
  };

  /** All metrics in Prometheus's text format. */
  text(): Promise<string> {
    if (processRegistry === undefined) {
      // Once for a process, however many servers it holds: they watch the process for as long as it runs.
      processRegistry = new Registry();
      collectDefaultMetrics({ register: processRegistry });
    }
    return Registry.merge([this.#registry, processRegistry]).metrics();
  }

  /** Stops measuring. */
  close(): void {
    this.#delay?.disable();
    this.#watched = undefined;
  }

  #addRequests(): void {
    const routes = this.#routes;
    new Counter({
      name: 'bfly_http_requests_total',
      help: 'HTTP requests that were answered, by route and status.',
      labelNames: ['route', 'status'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [route, { byStatus }] of routes)
          for (const [status, count] of byStatus) this.inc({ route, status: String(status) }, count);
      },
    });
    const sent = (): Readonly<Record<string, number>> => ({
      http: this.#httpBytes,
      'bfly.v1': this.#watched?.hub.sent.bytes ?? 0,
    });
    new Counter({
      name: 'bfly_bytes_sent_total',
      help: 'Bytes of bodies and messages that were sent, by protocol.',
      labelNames: ['protocol'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [protocol, bytes] of Object.entries(sent())) this.inc({ protocol }, bytes);
      },
    });
  }

  #addCounters(): void {
    this.#counter('bfly_edits_total', 'Edits that were kept.', () => this.#edits);
    this.#counter(
      'bfly_tiles_sent_total',
      'Tiles, and parts of cutouts, that were sent over sockets.',
      ({ hub }) => hub.sent.tiles,
    );
    this.#counter('bfly_cache_hits_total', 'Looks into the cache that found something.', ({ core }) => core.cache.hits);
    this.#counter(
      'bfly_cache_misses_total',
      'Looks into the cache that found nothing.',
      ({ core }) => core.cache.misses,
    );
  }

  #addGauges(): void {
    this.#gauge('bfly_sessions', 'Open sessions of bfly.v1.', ({ hub }) => hub.size);
    this.#gauge('bfly_session_requests', 'Requests of sessions that are open.', ({ hub }) => hub.use().requests);
    this.#gauge('bfly_session_streams', 'Streams of sessions that are open.', ({ hub }) => hub.use().streams);
    this.#gauge(
      'bfly_socket_buffered_bytes',
      'Bytes that sockets have not taken yet.',
      ({ hub }) => hub.use().bufferedBytes,
    );
    this.#gauge('bfly_http_requests_under_way', 'HTTP requests that are worked on.', ({ web }) => web.underWay);
    this.#gauge('bfly_channels', 'Channels that are configured.', ({ core }) => core.channelCount);
    this.#gauge('bfly_cache_bytes', 'Bytes that the cache holds.', ({ core }) => core.cache.use.bytes);
    this.#gauge('bfly_cache_max_bytes', 'Bytes that the cache may hold.', ({ core }) => core.cache.maxBytes);
    this.#gauge('bfly_cache_entries', 'Entries that the cache holds.', ({ core }) => core.cache.use.entries);
    this.#gauge('bfly_tile_loads_under_way', 'Tiles that are being loaded or made.', ({ core }) => core.tiles.loading);
  }

  /** The first look begins to measure: what nobody asks for costs nothing. */
  #addDelay(): void {
    const delay = (): IntervalHistogram => {
      this.#delay ??= monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
      this.#delay.enable();
      return this.#delay;
    };
    new Gauge({
      name: 'bfly_event_loop_delay_seconds',
      help: 'How late the event loop was since the last look, by quantile.',
      labelNames: ['quantile'],
      registers: [this.#registry],
      collect() {
        const late = delay();
        for (const quantile of DELAY_QUANTILES) {
          const ns = late.count === 0 ? 0 : Math.max(0, late.percentile(quantile * 100) - DELAY_RESOLUTION_MS * 1e6);
          this.set({ quantile: String(quantile) }, ns / 1e9);
        }
        late.reset();
      },
    });
  }

  #counter(name: string, help: string, read: (watched: Watched) => number): void {
    const value = this.#reading(read);
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  }

  #gauge(name: string, help: string, read: (watched: Watched) => number): void {
    const value = this.#reading(read);
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(value());
      },
    });
  }

  #reading(read: (watched: Watched) => number): () => number {
    return () => (this.#watched === undefined ? 0 : read(this.#watched));
  }
}
