# follow=: valid configurations, and nginx's messages about mistakes.
#
# Sections of this file:
#   upstream  the contents of "upstream u" after its servers A and B
#   emerg     nginx must refuse to start with exactly one [emerg] line, which contains each line of this section
#   warn      nginx starts with exactly one [warn] line about the module, which contains each line of this section

use Sticky qw(Verdicts);

verdict_sections(qr/sticky/);
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(config => 'location /t { proxy_pass http://u; }');
    fill($block, servers('', qw(A B)) . "upstream u {\nserver 127.0.0.1:1985;\nserver 127.0.0.1:1986;\n" . $block->upstream . "}\n");
});
run_tests();

__DATA__

=== no message with other parameters of the same cookie, in any order
--- upstream
    session_sticky follow=JSESSIONID postonly preserve secure=$arg_secure nocache refresh=6m if=$arg_sticky maxidle=1h
                   option=indirect fallback=off rebind=on accept=plain httponly attr=a=b samesite=lax;



=== a prefix of names
--- upstream
    session_sticky follow=wordpress_logged_in_*;



=== names with a cookie prefix
--- upstream
    session_sticky follow=__Host-SID cookie=__Host-route secure;



=== a name that only begins with the module's own
--- upstream
    session_sticky follow=route2;



=== no name
--- upstream
    session_sticky follow=;
--- emerg
invalid value "" of parameter "follow" in "session_sticky" directive, it must be a token: a cookie name, or the beginning of one followed by '*'



=== not a token
--- upstream
    session_sticky follow=a=b;
--- emerg
invalid value "a=b" of parameter "follow"



=== without a value
--- upstream
    session_sticky follow;
--- emerg
invalid parameter "follow" in "session_sticky" directive
follow=



=== the module's own name
--- upstream
    session_sticky follow=route;
--- emerg
"session_sticky" needs a cookie in "follow=" other than that in "cookie="



=== the module's own name, specified later, by a prefix
--- upstream
    session_sticky follow=app* cookie=app_route;
--- emerg
"session_sticky" needs a cookie in "follow=" other than that in "cookie="



=== every name
--- upstream
    session_sticky follow=*;
--- emerg
"session_sticky" needs a cookie in "follow=" other than that in "cookie="



=== a variable: [warn]
--- upstream
    session_sticky follow=$sid;
--- warn
"session_sticky" with a cookie "$sid", which is used literally: its name takes no variables



=== twice: [warn]
--- upstream
    session_sticky follow=a follow=b;
--- warn
duplicate parameter "follow" in "session_sticky" directive, the last one is used



=== mode=rewrite: [warn], also with the module's own name
--- upstream
    session_sticky mode=rewrite cookie=sid follow=sid;
--- warn
"session_sticky" with mode=rewrite ignores follow=: the application sets the cookie



=== mode=prefix: [warn]
--- upstream
    session_sticky follow=sid mode=prefix;
--- warn
"session_sticky" with mode=prefix ignores follow=: the application sets the cookie



=== mode=route: [warn]
--- upstream
    session_sticky mode=route lookup=$arg_to follow=sid;
--- warn
"session_sticky" with mode=route ignores follow=: it has no cookie



=== mode=learn: [warn]
--- upstream
    session_sticky mode=learn lookup=$cookie_sid create=$upstream_cookie_sid zone=z:1m follow=sid;
--- warn
"session_sticky" with mode=learn ignores follow=: it has no cookie



=== other systems' directives do not have it
--- upstream
    sticky name=a follow=sid;
--- emerg
invalid parameter "follow=sid" in "sticky" directive
