/** `segment_properties` from the tables of a channel. Source: Neuroglancer, src/datasource/precomputed/segment_properties.md */
import type { Row } from '../../../protocol/edit-ops.ts';
import type { Channel } from '../../core/channel.ts';
import type { Core } from '../../core/core.ts';

/** More neurons than this make a page that no browser is glad of: then there is none. */
const MOST_NEURONS = 100_000;

interface Made {
  readonly head: number;
  readonly neurons: number;
  readonly info: Promise<string>;
}

/** Makes the pages, anew where edits have come. */
export class SegmentProperties {
  readonly #core: Core;
  readonly #made = new WeakMap<Channel, Made>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Whether a channel has neurons, and not too many. */
  async isOffered(channel: Channel): Promise<boolean> {
    if (channel.type !== 'segmentation') return false;
    const neurons = await this.#core.rows.count(channel, 'neuron');
    return neurons > 0 && neurons <= MOST_NEURONS;
  }

  /** The page as JSON; undefined where it is not offered. */
  async info(channel: Channel): Promise<string | undefined> {
    if (!(await this.isOffered(channel))) return undefined;
    const neurons = await this.#core.rows.count(channel, 'neuron');
    const head = this.#core.headOf(channel);
    const known = this.#made.get(channel);
    if (known?.head === head && known.neurons === neurons) return known.info;
    const info = this.#make(channel);
    this.#made.set(channel, { head, neurons, info });
    info.catch(() => this.#made.delete(channel));
    return info;
  }

  async #make(channel: Channel): Promise<string> {
    const { rows } = this.#core;
    const found = await rows.find({ channel, table: 'neuron' }, () => true);
    const neurons = found.sort((a, b) => (a.key < b.key ? -1 : 1));
    const counts = await rows.synapseCounts(channel);
    const names = neurons.map(nameOf);
    const properties: object[] = [];
    if (names.some((name) => name !== '')) properties.push({ id: 'label', type: 'label', values: names });
    const number = (id: string, description: string, count: (key: bigint) => number): object => ({
      ...{ id, type: 'number', data_type: 'uint32', description },
      values: neurons.map(({ key }) => count(key)),
    });
    if (counts.size > 0)
      properties.push(
        number('outputs', 'synapses that it is presynaptic to', (key) => counts.get(key)?.pre ?? 0),
        number('inputs', 'synapses that it is postsynaptic to', (key) => counts.get(key)?.post ?? 0),
      );
    const ids = neurons.map(({ key }) => String(key));
    return JSON.stringify({ '@type': 'neuroglancer_segment_properties', inline: { ids, properties } });
  }
}

function nameOf(neuron: Row): string {
  const { name } = neuron;
  return typeof name === 'string' ? name : '';
}
