let xs = [for (i, x) in enumerate([1, 2]) if i % 2 == 0 and not (x <= 3) => -x * 2.5]
let r = { a: 1, 2: "s\n\"\\", "k": { b: [] } }
fn f(x) { if x == none { 0 } else if true { r.a + r[2] } else { for i in 0..3 from (h, s = []) => { let h = g[i](h); (h, s + [h]) } } }
