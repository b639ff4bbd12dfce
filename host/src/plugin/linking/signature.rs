//! The types of hooks, in the words of WIT: for the author of a module whose hooks are others than the host's.

use std::cell::Cell;
use std::fmt::Write;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{self, ComponentFunc, ComponentItem, Type};

use crate::plugin::wit::{self, Version};

/// Types inside types that are written out; more would be a page.
const DEEPEST: usize = 4;
/// Types that are written out in all, and names that are looked at for each: comparing two types of a component that means harm
/// takes a while.
const MOST_TYPES: usize = 200;
const MOST_NAMES: usize = 200;

/// The hooks of a version of the world, as its WIT has them: name and type.
pub(super) fn expected(wit: &str) -> impl Iterator<Item = (String, String)> {
    let lines = wit.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with('@'));
    let text = lines.collect::<Vec<_>>().join(" ");
    // What comes before the first hook ends with the last `{` or `;`.
    let hooks = text.split([';', '{', '}']).filter_map(|item| {
        let (name, signature) = item.trim().split_once(": ")?;
        signature.starts_with("func(").then(|| (name.to_owned(), signature.to_owned()))
    });
    hooks.collect::<Vec<_>>().into_iter()
}

/// What is wrong with the hooks of `component`: one that is missing, or one of another type, with both types.
pub(super) fn misfit(engine: &Engine, component: &Component, version: &dyn Version) -> Option<String> {
    let ty = component.component_type();
    let items = hooks(engine, &ty)?;
    expected(version.wit()).find_map(|(name, wanted)| match items.iter().find(|(export, _)| *export == name) {
        None => Some(format!("the hook {name} is missing; expected {name}: {wanted}")),
        Some((_, ComponentItem::ComponentFunc(func))) => {
            let wrong = version.typecheck(&name, func, &ty).err()?;
            Some(both(&name, &wanted, &Names::new(&items).func(func), &format!("{wrong:#}")))
        }
        Some(_) => Some(format!("{name} is no function; expected {name}: {wanted}")),
    })
}

/// What is wrong with the one hook that only the first instance compares whole, because of the resource it takes.
pub(super) fn misfit_of_read_response(
    engine: &Engine,
    component: &Component,
    version: &dyn Version,
    wrong: &str,
) -> Option<String> {
    let items = hooks(engine, &component.component_type())?;
    let (name, wanted) = expected(version.wit()).find(|(name, _)| name == wit::READ_RESPONSE)?;
    items.iter().find_map(|(export, item)| match item {
        ComponentItem::ComponentFunc(func) if *export == name => {
            Some(both(&name, &wanted, &Names::new(&items).func(func), wrong))
        }
        _ => None,
    })
}

fn hooks(engine: &Engine, ty: &types::Component) -> Option<Vec<(String, ComponentItem)>> {
    let (_, hooks) = ty.exports(engine).find(|(name, _)| name.starts_with(wit::HOOKS))?;
    let ComponentItem::ComponentInstance(hooks) = hooks.ty else { return None };
    Some(hooks.exports(engine).map(|(name, item)| (name.to_owned(), item.ty)).collect())
}

/// The names of types may be the same and what they stand for not; that is what `wrong` is about.
fn both(name: &str, wanted: &str, found: &str, wrong: &str) -> String {
    format!("the hook {name} has another type ({wrong}); expected {name}: {wanted}; found {name}: {found}")
}

/// The names that an interface gives to types.
struct Names<'a> {
    items: &'a [(String, ComponentItem)],
    /// Types that may still be written out.
    left: Cell<usize>,
}

impl<'a> Names<'a> {
    fn new(items: &'a [(String, ComponentItem)]) -> Self {
        Self { items: items.get(..MOST_NAMES).unwrap_or(items), left: Cell::new(MOST_TYPES) }
    }

    fn func(&self, func: &ComponentFunc) -> String {
        let params: Vec<_> = func.params().map(|(name, ty)| format!("{name}: {}", self.ty(&ty, 0))).collect();
        let mut text = format!("func({})", params.join(", "));
        if let Some(result) = func.results().next() {
            let _ = write!(text, " -> {}", self.ty(&result, 0));
        }
        text
    }

    fn ty(&self, ty: &Type, depth: usize) -> String {
        let Some(left) = self.left.get().checked_sub(1) else { return "...".to_owned() };
        self.left.set(left);
        let named = self.items.iter().find(|(_, item)| match (item, ty) {
            (ComponentItem::Type(known), ty) => known == ty,
            (ComponentItem::Resource(known), Type::Own(found)) => known == found,
            _ => false,
        });
        if let Some((name, _)) = named {
            return name.clone();
        }
        if depth > DEEPEST {
            return "...".to_owned();
        }
        let inner = |ty: &Type| self.ty(ty, depth + 1);
        let list = |items: Vec<String>| items.join(", ");
        match ty {
            Type::Bool => "bool".to_owned(),
            Type::S8 => "s8".to_owned(),
            Type::U8 => "u8".to_owned(),
            Type::S16 => "s16".to_owned(),
            Type::U16 => "u16".to_owned(),
            Type::S32 => "s32".to_owned(),
            Type::U32 => "u32".to_owned(),
            Type::S64 => "s64".to_owned(),
            Type::U64 => "u64".to_owned(),
            Type::Float32 => "f32".to_owned(),
            Type::Float64 => "f64".to_owned(),
            Type::Char => "char".to_owned(),
            Type::String => "string".to_owned(),
            Type::List(of) => format!("list<{}>", inner(&of.ty())),
            Type::FixedLengthList(of) => format!("list<{}, {}>", inner(&of.ty()), of.len()),
            Type::Map(of) => format!("map<{}, {}>", inner(&of.key()), inner(&of.value())),
            Type::Option(of) => format!("option<{}>", inner(&of.ty())),
            Type::Tuple(of) => format!("tuple<{}>", list(of.types().map(|ty| inner(&ty)).collect())),
            Type::Result(of) => match (of.ok(), of.err()) {
                (None, None) => "result".to_owned(),
                (Some(ok), None) => format!("result<{}>", inner(&ok)),
                (ok, Some(err)) => {
                    format!("result<{}, {}>", ok.map_or_else(|| "_".to_owned(), |ok| inner(&ok)), inner(&err))
                }
            },
            Type::Record(of) => {
                let fields = of.fields().map(|field| format!("{}: {}", field.name, inner(&field.ty)));
                format!("record {{ {} }}", list(fields.collect()))
            }
            Type::Variant(of) => {
                let cases = of.cases().map(|case| match &case.ty {
                    Some(ty) => format!("{}({})", case.name, inner(ty)),
                    None => case.name.to_owned(),
                });
                format!("variant {{ {} }}", list(cases.collect()))
            }
            Type::Enum(of) => format!("enum {{ {} }}", list(of.names().map(str::to_owned).collect())),
            Type::Flags(of) => format!("flags {{ {} }}", list(of.names().map(str::to_owned).collect())),
            Type::Own(_) => "a resource".to_owned(),
            Type::Borrow(found) => {
                let owned = Type::Own(*found);
                format!("borrow<{}>", inner(&owned))
            }
            Type::Future(_) => "future".to_owned(),
            Type::Stream(_) => "stream".to_owned(),
            Type::ErrorContext => "error-context".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hooks_are_read_from_the_wit() {
        let hooks: Vec<_> = expected(include_str!("../../../wit/hooks.wit")).collect();
        assert_eq!(
            hooks.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["check", "make-request", "read-response", "changed-users", "summary"]
        );
        let read_response = "func(user: string, tag: option<tag>, known: option<borrow<snapshot>>, response: response, \
                             state: list<u8>) -> result<step, fetch-error>";
        assert!(hooks.contains(&("read-response".to_owned(), read_response.to_owned())), "{hooks:?}");
    }
}
