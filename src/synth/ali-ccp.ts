/** Columns of torch-rechub's Ali-CCP files, in order. */
const USER_FIELDS = ['101', '121', '122', '124', '125', '126', '127', '128'] as const;
const ITEM_FIELDS = ['129', '205', '206', '207', '210', '216'] as const;
/** The user's history with the item's category, shop, intention and brand. */
const COMBINATION_FIELDS = ['508', '509', '702', '853'] as const;
/** Position of the impression. */
const CONTEXT_FIELDS = ['301'] as const;
/** The user's most frequent categories, shops, brands and intentions in 14 days. */
const HISTORY_FIELDS = ['109_14', '110_14', '127_14', '150_14'] as const;

const ID_FIELDS = [
  ...USER_FIELDS,
  ...ITEM_FIELDS,
  ...COMBINATION_FIELDS,
  ...CONTEXT_FIELDS,
  ...HISTORY_FIELDS,
] as const;
const NUMBER_FIELDS = ['D109_14', 'D110_14', 'D127_14', 'D150_14', 'D508', 'D509', 'D702', 'D853'] as const;
export const HEADER = ['click', 'purchase', ...ID_FIELDS, ...NUMBER_FIELDS] as const;
