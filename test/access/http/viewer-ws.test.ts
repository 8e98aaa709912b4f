import { viewerContract } from '../../contract/viewer-contract.ts';

viewerContract('ws');
