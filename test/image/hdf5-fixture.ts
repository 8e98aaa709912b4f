/** A small HDF5 file as h5py writes it, with types, filters and byte orders that h5wasm cannot write. */
import { gunzipSync } from 'node:zlib';

/**
 * Datasets of 4×5×6 voxels (z, y, x), voxel n being: be16 -3n, be64 2⁴⁰+n, bef n/4, double and bedouble n/8, half n (float16), lzf n (filter lzf),
 * deep/er/all 1000n (chunks 2×3×4, gzip, shuffle, fletcher32; `resolution` 40, 8, 4), deep/um n (`element_size_um` 0.03, 0.004, 0.005);
 * deep/sparse 8×8×8 (first chunk 7, the others not there); and what cannot be served: bool, text, pair, flat (2-D), four (4-D), empty.
 */
export function h5pyFile(): Uint8Array {
  return gunzipSync(Buffer.from(PACKED, 'base64'));
}

const PACKED = [
  'H4sIAAAAAAACA+2bD1RU95XH7/wBBhh0EIRBQQYQRUUzIFH8y3sqCoowwMyA0eCADkGDggKGpGnziEmatm5je7pNTpp4sHGzbbbpsm3a2tRNn8Y1',
  'nmybwyaerE2zXZKYHLOllmZtlpPa99vfzPs+cEYGTBuqad/Fez7ed+/85r3f+/3ue7/73nyhbN36hLgZcRQQi4XMZKOrhUFcW0Jtze8DDeDD4LeM',
  '2nZD0GfH9kS0Hx7nriktJTKNtB/+PU6zSq2d4lkq62Gnz1ZZRrr8NUpZqegKsA+2pI2/9PHH2XOFqn2uaPy4iltVu3Vp6PcaKEod2wbNLlZpUjdg',
  'WPIoVaLBSNtN/PsCn7RZiNShb0OcJbjdaDQGG7ZgD02GbjQxFNYj7TfkPNRWVq0z8KOzwHaYxo/XsklL9PhxeeDwtPHjRuZ//Kd9RP+RfcT+j11m',
  'v2OX2K/ZRfYue5v9N3uT/YK9zl5j/ezn7GX2EjvNTrIX2E/YcfYD9j32z+w77NvsafYU62VPssfZo+xr7Cvsy+xL7GH2ILuf3cfuZXezA6yDtbM9',
  'bDe7g+1kjayBbWX1zMNqWBWrYOVsPVvLBLaKLWdLWRErYIvYApbHclk2y2TpLI2lsCRmYwksjsUwMzMwRfmDMqz8XvlA+a0yqLyvvKe8owwo/6W8',
  'ofynck75D+UV5d+Vs8q/KaeUnyonlB8rP1S+r/QpzyrPKP+oHFOOKkeUbyiTNo+CcyUgwkTzKEb9pGy6GeaRdtHU+sQImkAzGAVGgzGgBYwF48B4',
  '0AomgFPAqaANTASngUlgMjgdTAFTQTuYBs4AZ4LpYAY4C8wEHWAWmA3mgLPBXHAOOBfMA+eB88EFYD64EFwE3gI6wQKwEFwMFoG3gkvApWAxuAxc',
  'Dq4AV4KrwNVgCSiAIrgGXAuuA0vB9eAGsAwsBzeCm8AKcDNYCVaBLrAarAFrQTfoAb1gHVgPbgFvA7eC28DbwQZwO+gDG8EmcAe4E/SDzeAdYAu4',
  'C9wN3gm2gnvAvWAb2A7uA/eDHWAn2AUeAO8ambefdD6zB5tKzMpEjINSLZR630h8pLxWZlUjBgyhyaXlL57OVkvq+C7hg7sk8P9erjLXAXW8Czzp',
  'CHziC3zyCXyDwAehwAeCwE+GwOMFvigQDnN9jCv/rPAtrvyGTzjOlbcjnOXaz/U810CbF7ny2yJhWJ1HIu84kSdGkfeIyL9L5ElM5N0k8mQk8u8V',
  'eVIReeIQeXIQ+T6IfJKL/LSJfLKKfH9EPulEPrFEPnkCd5sinwQiH+giH8wi30+RD0qRd6vIB5fI91nkg0Ts5novV77/4v1cH+D6EFd+LOIXuR7i',
  '+mWu/LjEr3L9Gtevc+XHKD7O9QmuR7jy4xW/yfUY16e58mMXn+H6Ha7f5cr7Qfwe1+e4/pAr7xPxea4nuL7AlfePeIrraa5nuPK+El/m+jOur3Dl',
  '/Sa+yvUc19e58j4U3+D6JtdfceX9Kb7N9QLX97jyvhX/h+sg10uTON4dJSPX76J4KmKmicZ78dSxr+MtN/BeTi5R2Q+eBwfAC+BFcBAcAj8AL4Mf',
  'gsPgR+AVUAFx00MG0AiaQDMYBUaDMaAFjAXjwHjQCiaAU8CpoE2lBFIibJCmwQYpCTZIybBBmg4bpBTYIKXCBskOG6Q02CDNgA3STNggpcMGKQM2',
  'SLNgg5QJGySHSgGUQBmkLPhBCZRByoYflEAZpBz4QQmUQZoNPyiBMki58IMSKIM0B35QAmWQ5sIPSqAMUh78oATKIM2DH5RAGaT58IMSKIO0AH5Q',
  'AmWQ8uEHJVAGaSH8oATKC4XJu35/3HxmSb6Z8lngeh1kP3geHAAvgBfBQRDliZIPwMvgh+Aw+BF4BVRCEhkJOB8C6oICekVAxwvoeAEdL2BVJ6Ag',
  'IcSCcSDqBALukoQEcAqIq4lg06hWloRE2ImwUZcQpsFOgp0EG2dRSIY9HfZ02CmwU2Cnwk6FjcKGYIedBjsN9gzYM2DPhD0TNupgQjrsDNgZsFEv',
  'FWbBzoSdCdtBIalMcGjbZaQwCkllQhb8WfBnU0gqE7Lhz4Y/h0JSmZADfw78qN8KIykN/tnw51JIKhNy4c+Ffw6FpDJhDvxz4J9LIalMmAv/XPhR',
  'gBJGUhr8efDPo5BUJsyDfx788ykklQnz4Z8P/wIKSWXCAvgXwJ9PIalMyIc/H/6FFJLKhIXwL5QnqU6p3Z9NHalTxkVR3NQJ1yPn7WPXK//i+Wwl',
  'Typr+EK6lC+eN1CZVEblUjltlDbSJmkTVQgVUoVcQZuFzdJmeTNVCpVSpVxJVUKVVCVXkcvhElw+l+TqdcmuARdVO6qFal+1VN1bLVcPVFONo0ao',
  '8dVINb01cs1ADdU6aoVaX61U21sr1w7UktvmdridbsHtcvvc7W7Jfdjd6+5zy+5+94B7yE0em8fhcXoEj8vj87R7JM9hT6+nzyN7+j0DniEPeW1e',
  'h9fpFbwur8/b7pW8h7293j6v7O33DniHvFRnq3PUOeuEOledr6697pM//3lqndxII/VqtSULrRcrakuDz2w8pTRSp4o4HpC5usNOT/0kl9Zu1N/4',
  '5wGXteumCf2ahNpg5H62ZYRWyDXpvimq3U3+giUqlxSpDFZ0aGdbV1OrP2Br/0O2aGwNBjS1tQVLOZ3+7mBJpr1xV7BU09zaGLSb27qCtn9Pe+fd',
  'gec396Bdv7/96ueSzuvcz8amHWP+++TPa3ewqRSjWsttvM79C8xDrT7UFDaHI0mi49qaUuRxJGWG3pFpYhnjOVDUSNTZtPH3QRuFZ42hz4vDn885',
  'tOdBU8ZvT7uaXMkaP07LMnLmX+dz0WvHpXojY1BPK5nCxsi19uhzFMNV5zny+OjHKbKG7Yn0Kegb9e0Ag/lPm7PXzuGP23eDWaFPRTXx3ST9E5rT',
  'KMJx0yfWH+FvedzYZ3IGfvczWc8ox3zWb1L7Ix73Wgat2z8b8JtGrmWB9qMMo1d2C7KkyWjemTt6CoyY3ledpuI/qz+0HK+Nzjcd48dr33Y2dfw4',
  '7exac8aPc2nXgozx47R3flwzb84cHXi3ycDzZfi7TfarroPjybGC0Tu7seLDX8E4ESHeGKH9cxPEh7c/iPjksO2R7kPMhePHh7dvLwzdH+ME/ZM/',
  'QXx4++sixEf6nm0TxIe33xl2vMYJ+ufQBPHh7fcWjt2P0WHxRtJFF1100UUXXXTR5dNa5THyu7sYvvKbRZl89TebcmkOv88z89VZLMXxFWQWZVMO',
  'zeUryXl8pZFAU2gaJfE7yvm0gPLJSQVUSFP5+jORplMKpdJCWkS30GIqolspyk5pNIMkMi+hpVTsiwvU82dSOmUEti2j5bQiuG0lraLVtIbW0jq6',
  'jbbSNr4ybKQmKiGBRDxmuZ0aaDvtoJ3k5+uyctpIlVTFV3LNdAe1UCvtob20iSpoM1VTDdXSLtpNd1IbXxPuoyg3ecgb+M791EGd6n7UUT1tCWzr',
  'ogN0V3Cb+lsRQ8TfilxYOnaVRZe/DdF+K6LVfrWyxeWi0Dj/fpVde1R2tDfu7/CProE/bvVkonG5crlWv9FFH5ej+elQ2G+OGltbkfXxuT/ze9U6',
  'nmlk3A2FPYMJ/+2TVmeUNo3frrb/6X8jP7oz8CvwZNWHzVdlqmvrwy61PmzS6jqW4JPmjpau5uZW/0j7Bmzf6Q88HfWHPOMJCI/t3NHi37+4UMtD',
  '6veZjOYHVoyWjEzYHfPoeVY/f3qDateHjCvDyLjKX6bP8T9F1Pqw5Zrrhnidnz9WrnJVBH943fFdxIelHYr0U77sjSoXRYgPb38L4tfT6KAaTz6P',
  '+LUR4sPb/zniV4bFR9p/G/JYUYT48PYrwvJepHizPnR10UUXXXTRRRdddLkBYsWbMga+UrTy1ft+f0dba1fnrra9uP+1hK4vDYbQdwM15pFamxpd',
  'T07e+1DX935YPlYq3WHH68P+2CiZx/pb/Xv8ezu3d+y6x7+9a0/E35RGOu7jsx78dfXxIyVXvv27Vzc3tZd8Jvm7G966p7PkmkqdwWgyR0XHWGLj',
  '4q0JU6baEqclJU9PSbWnzZiZnjEr05GVnTM7d87cvHnzF+QvXHSLs6BwcdGtS5YWL1u+YuWq1SWCuGbtutL1G8rKN26q2FxZ5aquqXV7vHX1W27b',
  'uu32hu2+xqYdfO1+R8uu3Xe27tnb1r5vf0dn14G7uht2dO9r3CA+cPDMwaSZzfYy54n6/mpb1tA7J2Ojmw/s3bfrbv+qnMX/9OrLbzx0JLa2OX/L',
  'C/esMn2B6BefS/7qo3mPv93dsLX/pOwYOthzNOtgz1unpkRHxyREP5Sw2G4ffjDNfu4HdvvgE3b7bdLu9/J9vvMnnuzZSTT3M3EfnmlecbK7Ib7P',
  'NVDc17QmymQr2mmuv/f4Pl/Uw795793U5G889nhs029/dd/w8D/c+aNLPeePGen799reulLQYO1u+EP7wZ6skwcN1uRiu32OWzh/9CtW648ftH34',
  '/v9arY8cEQPRHZmWR5Yt7jnW3bBpyHn4eN8O8fMHH5IfiZ0eO8t6y6LBvIfb+7t/f+m1peu9lQ3lW0r/fvjC5cEPnnn+6RfKX2suIENOCk17KZpe',
  '/1zy0fSfdFgDHXVSdtlOykMDZtPBHrPpxfv5sfZkWq0/VQqdli8WOlsuOp0XUhc7n+sqcP5s61mKPnToMXsqX/O1xH9WfOKS3N3wS+dTWWt73nkx',
  'IdrR3d704iGKj5pi+6V8+tSZF18qsZ9ueH7/b878a8wjR8z/knaUnvy7eKK7PFMffT/m9LOBnvL5ivvuN1hnFNrtq9+U+jK22e2nnsoafHZFmv2V',
  'bVJfWlqWPfiZw6cs7/eX/OiPE80xbQReLyO/c2gbqSkZQ9bWlpB3mq6qCR2uGJ3Oml71Udck1kKuraFL1/n5/vqxawfh1N+N0kUXXXTRRRdddNFF',
  'l0+/xNzgv/8HxQcTeVBZAAA=',
].join('');
