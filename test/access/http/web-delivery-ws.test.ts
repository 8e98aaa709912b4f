import { webDeliveryContract } from '../../contract/web-delivery-contract.ts';

webDeliveryContract('ws');
