//! Writes one of the shapes to standard output: `shape locals-and-loops 49000 1000 > slow.wasm`.

use std::error::Error;
use std::io::Write as _;

use test_guests::shapes;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map_or(Ok(1), |text| text.parse::<u32>());
    let bytes = match arguments.first().map(String::as_str) {
        Some("locals-and-loops") => shapes::locals_and_loops(number(1)?, number(2)?),
        Some("functions") => shapes::functions(number(1)?),
        Some("core-exports") => shapes::core_exports(number(1)?),
        Some("core-imports") => shapes::core_imports(number(1)?),
        Some("core-types") => shapes::core_types(number(1)?),
        Some("data-segments") => shapes::data_segments(number(1)?, usize::try_from(number(2)?)?),
        Some("exports") => shapes::exports(number(1)?),
        Some("nested") => shapes::nested(number(1)?),
        Some("core-instances") => shapes::core_instances(number(1)?),
        Some("doubled-types") => shapes::doubled_types(number(1)?),
        _ => return Err("expected a shape and its numbers; see src/shapes.rs".into()),
    };
    std::io::stdout().write_all(&bytes)?;
    Ok(())
}
