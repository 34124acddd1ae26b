//! `#[derive(Shape)]` for `ringway`, which re-exports it: use it as `ringway::Shape`, whose
//! documentation tells what a shape is and which types have one.
//!
//! The derive writes down what the compiler decided (offsets through `offset_of!`) and what the
//! source says (field names and types). It refuses what has no fixed layout; that the fields leave
//! no gap is checked by the code it writes, as constants, because only the compiler knows the
//! sizes.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, GenericParam, Generics, Ident, Index, Member, Result,
    parse_macro_input, token,
};

/// Implements `ringway::Shape` for a struct that is `#[repr(C)]` or `#[repr(transparent)]`.
#[proc_macro_derive(Shape)]
pub fn derive_shape(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// What `#[repr(…)]` says about the order of the fields.
enum Layout {
    /// In order of declaration.
    C,
    /// That of the only field.
    Transparent,
}

/// The implementation, or why there can be none.
fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = fields(&input.data)?;
    refuse_open_generics(&input.generics)?;
    let name = &input.ident;
    let shape = match layout(name, &input.attrs)? {
        Layout::C => structure(fields),
        Layout::Transparent => wrapped(name, fields)?,
    };
    let (parameters, arguments, conditions) = input.generics.split_for_impl();
    // An unused constant of a trait is never evaluated; this one makes a gap an error where the
    // struct is declared. With a constant parameter that has to wait for its first use.
    let check = input.generics.params.is_empty().then(|| {
        quote! { const _: ::ringway::shape::Type = <#name as ::ringway::Shape>::SHAPE; }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::ringway::Shape for #name #arguments #conditions {
            const SHAPE: ::ringway::shape::Type = #shape;
        }
        #check
    })
}

/// The fields of a struct; enums and unions have no shape.
fn fields(data: &Data) -> Result<&Fields> {
    let (at, reason) = match data {
        Data::Struct(data) => return Ok(&data.fields),
        Data::Enum(data) => (
            data.enum_token.span,
            "an enum has bit patterns that are no value: send a number, and check it on arrival",
        ),
        Data::Union(data) => {
            (data.union_token.span, "a union does not tell which of its fields is in use: send a struct")
        }
    };
    Err(Error::new(at, format!("`Shape` is for structs; {reason}")))
}

/// A constant parameter is part of one concrete type; a type or a lifetime is not known here.
fn refuse_open_generics(generics: &Generics) -> Result<()> {
    for parameter in &generics.params {
        let reason = match parameter {
            GenericParam::Const(_) => continue,
            GenericParam::Type(_) => "derive it for a struct without type parameters",
            GenericParam::Lifetime(_) => "a borrow means nothing to another process",
        };
        return Err(Error::new_spanned(parameter, format!("`Shape` has one fixed layout: {reason}")));
    }
    Ok(())
}

/// Finds `C` or `transparent` among the `#[repr(…)]` attributes.
fn layout(name: &Ident, attributes: &[Attribute]) -> Result<Layout> {
    let mut layout = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        attribute.parse_nested_meta(|word| {
            if word.path.is_ident("C") {
                layout = Some(Layout::C);
            } else if word.path.is_ident("transparent") {
                layout = Some(Layout::Transparent);
            } else if word.input.peek(token::Paren) {
                let number;
                syn::parenthesized!(number in word.input);
                number.parse::<TokenStream>()?;
            }
            Ok(())
        })?;
    }
    layout.ok_or_else(|| {
        Error::new(
            name.span(),
            "`Shape` needs `#[repr(C)]` or `#[repr(transparent)]`: \
             the compiler may reorder the fields",
        )
    })
}

/// The shape of a `repr(C)` struct: its fields, where the compiler put them.
fn structure(fields: &Fields) -> TokenStream {
    let fields = fields.iter().enumerate().map(|(index, field)| {
        let (name, member) = name_of(index, field);
        let ty = &field.ty;
        quote_spanned! { ty.span() =>
            ::ringway::shape::Field::of::<#ty>(#name, ::core::mem::offset_of!(Self, #member))
        }
    });
    quote! { ::ringway::shape::Type::structure::<Self>(const { &[#(#fields),*] }) }
}

/// The shape of a `repr(transparent)` struct: that of its only field.
fn wrapped(name: &Ident, fields: &Fields) -> Result<TokenStream> {
    let mut fields = fields.iter();
    match (fields.next(), fields.next()) {
        (Some(Field { ty, .. }), None) => Ok(quote! { <#ty as ::ringway::Shape>::SHAPE }),
        _ => Err(Error::new(
            name.span(),
            "`Shape` for a `#[repr(transparent)]` struct needs exactly one field",
        )),
    }
}

/// A field's name in the shape, and the way to refer to it in code.
fn name_of(index: usize, field: &Field) -> (String, Member) {
    match &field.ident {
        Some(name) => (name.unraw().to_string(), Member::Named(name.clone())),
        None => (index.to_string(), Member::Unnamed(Index::from(index))),
    }
}
