import { sessionContract } from '../../contract/session-contract.ts';

sessionContract('ws');
