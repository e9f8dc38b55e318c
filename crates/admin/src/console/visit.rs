//! Who looks at a page, and the forms that they send.

use std::{marker::PhantomData, ops::Deref};

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
};
use domain::Role;
use maud::{Markup, html};
use operate::{Caller, How, Operator};
use subtle::ConstantTimeEq as _;

use super::trouble::Trouble;
pub(super) use crate::may::{Act, Define, Look};

use crate::{auth::Pass, house::House, may::May, problem::Problem};

/// The field of every form that no other page can know.
const CSRF: &str = "csrf";

/// Who looks, and the secret of their forms.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) caller: Caller,
    /// Empty for a program, which has a token and no forms.
    csrf: String,
}

impl Who {
    /// As the door left them in a request.
    pub(super) fn of(extensions: &axum::http::Extensions) -> Option<Self> {
        let caller = extensions.get::<Caller>()?.clone();
        let csrf = match extensions.get::<Pass>()? {
            Pass::Session(_, session) => session.csrf.clone(),
            Pass::Token(_) => String::new(),
        };
        Some(Self { caller, csrf })
    }

    /// Whether they may do what this role may.
    pub(super) fn may(&self, role: Role) -> bool {
        self.caller.role >= role
    }

    /// A form that is posted.
    pub(super) fn form(&self, action: &str, content: &Markup) -> Markup {
        html! {
            form method="post" action=(action) data-key=(action) {
                input type="hidden" name=(CSRF) value=(self.csrf);
                (content)
            }
        }
    }

    /// A form that is only a button.
    pub(super) fn button(&self, action: &str, word: &str) -> Markup {
        self.form(action, &html! { button type="submit" { (word) } })
    }
}

/// A look at a page: who, and what there is to see.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) who: Who,
    pub(super) operator: Operator,
    pub(super) house: House,
}

impl Visit {
    pub(super) fn caller(&self) -> &Caller {
        &self.who.caller
    }
}

impl FromRequestParts<House> for Visit {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self, Trouble> {
        let who = Who::of(&parts.extensions).ok_or_else(Problem::unauthenticated)?;
        Ok(Self { who, operator: house.operator()?.clone(), house: house.clone() })
    }
}

/// A visit of somebody who may do what `M` says.
#[derive(Debug)]
pub(super) struct For<M> {
    visit: Visit,
    may: PhantomData<M>,
}

impl<M> Deref for For<M> {
    type Target = Visit;

    fn deref(&self) -> &Visit {
        &self.visit
    }
}

impl<M: May> FromRequestParts<House> for For<M> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self, Trouble> {
        let visit = Visit::from_request_parts(parts, house).await?;
        visit.who.caller.must_be(M::ROLE)?;
        Ok(Self { visit, may: PhantomData })
    }
}

/// A form that was sent by somebody who may do what `M` says, with the secret of its session.
#[derive(Debug)]
pub(super) struct Posted<M> {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
    may: PhantomData<M>,
}

impl<M: May> FromRequest<House> for Posted<M> {
    type Rejection = Trouble;

    async fn from_request(request: Request, house: &House) -> Result<Self, Trouble> {
        let (mut parts, body) = request.into_parts();
        let For { visit, may } = For::<M>::from_request_parts(&mut parts, house).await?;
        let request = Request::from_parts(parts, body);
        let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, house)
            .await
            .map_err(|error| Problem { status: error.status(), ..Problem::invalid(error.body_text()) })?;
        let fields = Fields(fields);
        let same: bool = fields.text(CSRF).as_bytes().ct_eq(visit.who.csrf.as_bytes()).into();
        if visit.who.csrf.is_empty() || !same {
            let detail = "this form is not one of your session; load the page again, or use /api/v1 from a program";
            return Err(Problem::new(StatusCode::FORBIDDEN, "denied", detail).into());
        }
        Ok(Self { visit, fields, may })
    }
}

/// What was filled in, trimmed.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// A form as it is before anybody has filled it in.
    pub(super) fn filled(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// With a field that says this.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// All of them, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One more field, beside others of its name.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// What a field says; nothing if it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// What a field says, if it says anything.
    pub(super) fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
    }

    /// Every value of fields of one name: the boxes that are checked.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim())
    }

    /// Whether a box is checked.
    pub(super) fn is_checked(&self, name: &str) -> bool {
        self.some(name).is_some()
    }

    /// How an act is made.
    pub(super) fn how(&self) -> How {
        How { reason: self.some("reason"), dry_run: false }
    }
}
