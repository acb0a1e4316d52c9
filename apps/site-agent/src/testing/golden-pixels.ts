/**
 * What the 40 x 24 picture of decode-image.spec.ts becomes at 16 x 16 with the cubic kernel: bytes (16,16,3) in base64.
 *
 * Written by sharp 0.35.5; a separable Catmull-Rom in float64 gives the same bytes but for one unit here and there
 * (mean difference 0.06), which the spec checks too.
 */
export const goldenPixels = [
  'BQMWFQNqJQPnNQNBRgNBVgPnZwNodwMkhwPWlwOSqAMTuAO5yQO52QMT6QOQ+gPkBRMNFRNpJRPwNRM8RhM8VhPwZxNm',
  'dxMchxPelxOUqBMKuBO+yRO+2RMK6ROR+hPtBSRZFSR2JSSiNSRoRiRoViSiZyR2dyRehySclySEqCRYuCSSySSS2SRY',
  '6SSE+iShBTTuFTSSJTQJNTS/RjS/VjQJZzSUdzTfhzQclzRmqDTxuDQ7yTQ72TTx6TRo+jQMBUXuFUWSJUUJNUW/RkW/',
  'VkUJZ0WUd0Xfh0Ucl0VmqEXxuEU7yUU72UXx6UVo+kUMBVVZFVV2JVWiNVVoRlVoVlWiZ1V2d1Veh1Wcl1WEqFVYuFWS',
  'yVWS2VVY6VWE+lWhBWYMFWZoJWbxNWY7RmY7VmbxZ2Zmd2Ych2bfl2aUqGYJuGa/yWa/2WYJ6WaS+mbuBXYgFXZsJXbd',
  'NXZHRnZHVnbdZ3Zqd3Ysh3bOl3aQqHYduHazyXaz2XYd6XaO+nbaBYjaFYiOJYgdNYizRoizVogdZ4iQd4jOh4gsl4hq',
  'qIjduIhHyYhH2Yjd6Yhs+oggBZjuFZiSJZgJNZi/Rpi/VpgJZ5iUd5jfh5gcl5hmqJjxuJg7yZg72Zjx6Zho+pgMBamh',
  'FamEJalYNamSRqmSVqlYZ6mEd6mch6lel6l2qKmiuKloyalo2ami6al2+qlZBbkMFbloJbnxNbk7Rrk7VrnxZ7lmd7kc',
  'h7nfl7mUqLkJuLm/ybm/2bkJ6bmS+rnuBcoMFcpoJcrxNco7Rso7VsrxZ8pmd8och8rfl8qUqMoJuMq/ycq/2coJ6cqS',
  '+sruBdqhFdqEJdpYNdqSRtqSVtpYZ9qEd9qch9pel9p2qNqiuNpoydpo2dqi6dp2+tpZBevtFeuRJesKNeu+Ruu+VusK',
  'Z+uUd+veh+scl+tmqOvwuOs8yes82evw6etp+usNBfzkFfyQJfwTNfy5Rvy5VvwTZ/ySd/zWh/wkl/xoqPznuPxByfxB',
  '2fzn6fxq+vwW',
].join('');
