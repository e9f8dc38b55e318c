//! What conditions can name: the functions, services and methods of ZITADEL's API.
//!
//! Only ZITADEL knows its own for sure, and this is not one. What is listed are the names of its public `v2` services as its SDK of
//! version 4.1.9 (for ZITADEL v4) calls them, for clients that offer a choice; a condition may name others.

/// The functions that ZITADEL can run targets for.
pub(crate) const FUNCTIONS: [&str; 3] = ["preuserinfo", "preaccesstoken", "presamlresponse"];

/// The services in alphabetical order.
pub(crate) fn services() -> Vec<&'static str> {
    SERVICES.iter().map(|(service, _)| *service).collect()
}

/// The methods in alphabetical order, as conditions name them: `/zitadel.user.v2.UserService/AddHumanUser`.
pub(crate) fn methods() -> Vec<String> {
    let of = |(service, methods): (&'static str, &'static str)| {
        methods.split_ascii_whitespace().map(move |method| format!("/{service}/{method}"))
    };
    SERVICES.into_iter().flat_map(of).collect()
}

/// Each service with its methods.
const SERVICES: [(&str, &str); 15] = [
    (
        "zitadel.action.v2.ActionService",
        "ActivatePublicKey AddPublicKey CreateTarget DeactivatePublicKey DeleteTarget GetTarget \
         ListExecutionFunctions ListExecutionMethods ListExecutionServices ListExecutions ListPublicKeys ListTargets \
         RemovePublicKey SetExecution UpdateTarget",
    ),
    (
        "zitadel.application.v2.ApplicationService",
        "CreateApplication CreateApplicationKey DeactivateApplication DeleteApplication DeleteApplicationKey \
         GenerateClientSecret GetApplication GetApplicationKey ListApplicationKeys ListApplications \
         ReactivateApplication UpdateApplication",
    ),
    (
        "zitadel.authorization.v2.AuthorizationService",
        "ActivateAuthorization CreateAuthorization DeactivateAuthorization DeleteAuthorization ListAuthorizations \
         UpdateAuthorization",
    ),
    (
        "zitadel.feature.v2.FeatureService",
        "GetInstanceFeatures GetOrganizationFeatures GetSystemFeatures GetUserFeatures ResetInstanceFeatures \
         ResetOrganizationFeatures ResetSystemFeatures ResetUserFeatures SetInstanceFeatures SetOrganizationFeatures \
         SetSystemFeatures SetUserFeatures",
    ),
    ("zitadel.idp.v2.IdentityProviderService", "GetIDPByID"),
    (
        "zitadel.instance.v2.InstanceService",
        "AddCustomDomain AddTrustedDomain DeleteInstance GetInstance ListCustomDomains ListInstances \
         ListTrustedDomains RemoveCustomDomain RemoveTrustedDomain UpdateInstance",
    ),
    (
        "zitadel.internal_permission.v2.InternalPermissionService",
        "CreateAdministrator DeleteAdministrator ListAdministrators UpdateAdministrator",
    ),
    (
        "zitadel.oidc.v2.OIDCService",
        "AuthorizeOrDenyDeviceAuthorization CreateCallback GetAuthRequest GetDeviceAuthorizationRequest",
    ),
    (
        "zitadel.org.v2.OrganizationService",
        "ActivateOrganization AddOrganization AddOrganizationDomain DeactivateOrganization DeleteOrganization \
         DeleteOrganizationDomain DeleteOrganizationMetadata GenerateOrganizationDomainValidation \
         ListOrganizationDomains ListOrganizationMetadata ListOrganizations SetOrganizationMetadata \
         UpdateOrganization VerifyOrganizationDomain",
    ),
    (
        "zitadel.project.v2.ProjectService",
        "ActivateProject ActivateProjectGrant AddProjectRole CreateProject CreateProjectGrant DeactivateProject \
         DeactivateProjectGrant DeleteProject DeleteProjectGrant GetProject ListProjectGrants ListProjectRoles \
         ListProjects RemoveProjectRole UpdateProject UpdateProjectGrant UpdateProjectRole",
    ),
    ("zitadel.saml.v2.SAMLService", "CreateResponse GetSAMLRequest"),
    ("zitadel.session.v2.SessionService", "CreateSession DeleteSession GetSession ListSessions SetSession"),
    (
        "zitadel.settings.v2.SettingsService",
        "GetActiveIdentityProviders GetBrandingSettings GetDomainSettings GetGeneralSettings \
         GetHostedLoginTranslation GetLegalAndSupportSettings GetLockoutSettings GetLoginSettings \
         GetPasswordComplexitySettings GetPasswordExpirySettings GetSecuritySettings SetHostedLoginTranslation \
         SetSecuritySettings",
    ),
    (
        "zitadel.user.v2.UserService",
        "AddHumanUser AddIDPLink AddKey AddOTPEmail AddOTPSMS AddPersonalAccessToken AddSecret CreateInviteCode \
         CreatePasskeyRegistrationLink CreateUser DeactivateUser DeleteUser DeleteUserMetadata GenerateRecoveryCodes \
         GetUserByID HumanMFAInitSkipped ListAuthenticationFactors ListAuthenticationMethodTypes ListIDPLinks \
         ListKeys ListPasskeys ListPersonalAccessTokens ListUserMetadata ListUsers LockUser PasswordReset \
         ReactivateUser RegisterPasskey RegisterTOTP RemoveIDPLink RemoveKey RemoveOTPEmail RemoveOTPSMS \
         RemovePasskey RemovePersonalAccessToken RemovePhone RemoveRecoveryCodes RemoveSecret RemoveTOTP \
         ResendEmailCode ResendInviteCode ResendPhoneCode RetrieveIdentityProviderIntent SendEmailCode SetEmail \
         SetPassword SetPhone SetUserMetadata StartIdentityProviderIntent UnlockUser UpdateHumanUser UpdateUser \
         VerifyEmail VerifyInviteCode VerifyPasskeyRegistration VerifyPhone VerifyTOTPRegistration",
    ),
    ("zitadel.webkey.v2.WebKeyService", "ActivateWebKey CreateWebKey DeleteWebKey ListWebKeys"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_and_service_can_be_a_condition_and_is_listed_once_in_order() {
        let (methods, services) = (methods(), services());
        assert_eq!((methods.len(), services.len()), (176, 15));
        assert!(methods.is_sorted_by(|one, next| one < next) && services.is_sorted_by(|one, next| one < next));
        for method in methods {
            assert_eq!(domain::ApiScope::method(&method), Some(domain::ApiScope::Method(method.as_str().into())));
        }
        for service in services {
            assert_eq!(domain::ApiScope::service(service), Some(domain::ApiScope::Service(service.into())));
        }
    }

    #[test]
    fn what_the_api_itself_is_made_of_is_among_them() {
        assert!(services().contains(&"zitadel.action.v2.ActionService"));
        assert!(methods().contains(&"/zitadel.session.v2.SessionService/ListSessions".to_owned()));
    }
}
