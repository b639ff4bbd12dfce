//! Components that are valid and cost much to take in: each is a kind, in a size that a test chooses. None has hooks.

use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentExportKind, ComponentExportSection, ComponentTypeSection, DataSection,
    EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, InstanceSection, MemorySection,
    MemoryType, Module, ModuleArg, ModuleSection, NestedComponentSection, PrimitiveValType, TypeSection, ValType,
};

/// One function with so many locals and loops. Each local is alive in each loop, so what a compiler keeps of it grows with
/// their product: 49,000 times 1,000 are 245 kB that take a minute and gigabytes.
pub fn locals_and_loops(locals: u32, loops: u32) -> Vec<u8> {
    let mut function = Function::new([(locals, ValType::I32)]);
    let mut code = function.instructions();
    for _ in 0..loops {
        code.loop_(BlockType::Empty).local_get(0).br_if(0).end();
    }
    for local in 0..locals {
        code.local_get(local).drop();
    }
    code.end();
    of_module(&module_of([function]))
}

/// So many functions that do nothing.
pub fn functions(count: u32) -> Vec<u8> {
    let nothing = || {
        let mut function = Function::new([]);
        function.instructions().end();
        function
    };
    of_module(&module_of((0..count).map(|_| nothing())))
}

/// A core module that has this function under so many names.
pub fn core_exports(count: u32) -> Vec<u8> {
    let (mut types, mut functions, mut exports, mut code) =
        (TypeSection::new(), FunctionSection::new(), ExportSection::new(), CodeSection::new());
    types.ty().function([], []);
    functions.function(0);
    for n in 0..count {
        exports.export(&format!("export-{n}"), ExportKind::Func, 0);
    }
    let mut nothing = Function::new([]);
    nothing.instructions().end();
    code.function(&nothing);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    of_module(&module)
}

/// A core module that imports so many functions.
pub fn core_imports(count: u32) -> Vec<u8> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    types.ty().function([], []);
    for n in 0..count {
        imports.import("m", &format!("import-{n}"), EntityType::Function(0));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports);
    of_module(&module)
}

/// So many different types of functions.
pub fn core_types(count: u32) -> Vec<u8> {
    let mut types = TypeSection::new();
    for n in 0..count {
        let bits = (0..20).map(|bit| if n >> bit & 1 == 1 { ValType::I64 } else { ValType::I32 });
        types.ty().function(bits.collect::<Vec<_>>(), []);
    }
    let mut module = Module::new();
    module.section(&types);
    of_module(&module)
}

/// So many segments of data, each of so many bytes.
pub fn data_segments(count: u32, size: usize) -> Vec<u8> {
    let (mut memories, mut data) = (MemorySection::new(), DataSection::new());
    memories.memory(MemoryType { minimum: 16, maximum: None, memory64: false, shared: false, page_size_log2: None });
    for _ in 0..count {
        data.passive(vec![7; size]);
    }
    let mut module = Module::new();
    module.section(&memories).section(&data);
    of_module(&module)
}

/// A component that exports so many types.
pub fn exports(count: u32) -> Vec<u8> {
    let (mut types, mut exports) = (ComponentTypeSection::new(), ComponentExportSection::new());
    types.defined_type().primitive(PrimitiveValType::U32);
    for n in 0..count {
        exports.export(format!("export-{n}"), ComponentExportKind::Type, 0, None);
    }
    let mut component = Component::new();
    component.section(&types).section(&exports);
    component.finish()
}

/// Components within components, so many levels deep.
pub fn nested(depth: u32) -> Vec<u8> {
    let mut component = Component::new();
    for _ in 0..depth {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&component));
        component = outer;
    }
    component.finish()
}

/// So many instances of one empty core module.
pub fn core_instances(count: u32) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&ModuleSection(&Module::new()));
    let mut instances = InstanceSection::new();
    for _ in 0..count {
        instances.instantiate(0, Vec::<(&str, ModuleArg)>::new());
    }
    component.section(&instances);
    component.finish()
}

/// A type that refers to the one before it twice, so many times: twice as large each time if it is written out.
pub fn doubled_types(count: u32) -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    types.defined_type().primitive(PrimitiveValType::U32);
    for n in 0..count {
        let inner = wasm_encoder::ComponentValType::Type(n);
        types.defined_type().tuple([inner, inner]);
    }
    let mut exports = ComponentExportSection::new();
    exports.export("doubled", ComponentExportKind::Type, count, None);
    let mut component = Component::new();
    component.section(&types).section(&exports);
    component.finish()
}

fn module_of(all: impl IntoIterator<Item = Function>) -> Module {
    let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    for function in all {
        functions.function(0);
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

fn of_module(module: &Module) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&ModuleSection(module));
    component.finish()
}
