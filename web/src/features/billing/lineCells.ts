import type { Translate } from '@/components/i18n';
import { moneyText } from '@/components/money';
import { isItem, type Bill, type BillLine } from './bills';
import { quantityText } from './numbers';
import type { zh } from './zh';

/** Cells that the page and the printed page of a bill share. */
export function lineCells(line: BillLine, bill: Bill, t: Translate<typeof zh>) {
  const { item, quantity, unitMicros, per, priceList, priceVersion, amount, isCorrection } = line;
  return {
    item: isItem(item) ? t(`item.${item}`) : item,
    quantity: quantityText(item, quantity, t('hours')),
    price: `${moneyText(unitMicros)} ${bill.currency} / ${quantityText(item, per, t('hours'))}`,
    list: `${priceList} / ${priceVersion}`,
    kind: t(isCorrection ? 'bill.correction' : 'bill.regular'),
    amount: `${amount} ${bill.currency}`,
  };
}
