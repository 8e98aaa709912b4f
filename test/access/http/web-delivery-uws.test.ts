import { webDeliveryContract } from '../../contract/web-delivery-contract.ts';
import { overUws } from '../../support/over-uws.ts';

overUws('the suite of delivery', webDeliveryContract);
