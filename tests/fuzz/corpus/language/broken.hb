module ( { let = ;
"open
entry entry for for (((
let x = ÿ 99999999999999999999
