# if=, drain_if=, refresh=, nocache, preserve, postonly and secure=$variable: valid configurations, and messages about mistakes.
#
# Sections of this file:
#   upstream  the contents of "upstream u" after its servers A and B
#   emerg     nginx must refuse to start with exactly one [emerg] line, which contains each line of this section
#   warn      nginx starts with exactly one [warn] line about the module, which contains each line of this section

use Sticky qw(Verdicts);

verdict_sections(qr/sticky/);
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstream = '';
    $upstream = "upstream u {\nserver 127.0.0.1:1985;\nserver 127.0.0.1:1986;\n" . $block->upstream . "}\n"
        if defined $block->upstream;
    $block->set_value(config => 'location /t { proxy_pass http://u; }') if !defined $block->config;
    fill($block, servers('', qw(A B)) . $upstream);
});
run_tests();

__DATA__

=== all parameters together, in any order: no message
--- upstream
    session_sticky postonly preserve secure=$arg_secure nocache refresh=6m if=$arg_sticky maxidle=1h;



=== if= with text and variables, in each mode
--- http_config
upstream insert  { server 127.0.0.1:1985; session_sticky if=$arg_a$arg_b; }
upstream rewrite { server 127.0.0.1:1985; session_sticky mode=rewrite if=a$arg_b; }
upstream prefix  { server 127.0.0.1:1985; session_sticky mode=prefix if=$arg_b; }
upstream route   { server 127.0.0.1:1985; session_sticky mode=route lookup=$arg_to if=$arg_b; }
upstream learn   { server 127.0.0.1:1985; session_sticky mode=learn lookup=$arg_to create=$arg_to zone=z:1m if=$arg_b; }
--- config
location /t { return 200; }



=== if= without a variable: [warn]
--- upstream
    session_sticky if=sticky;
--- warn
"session_sticky" with "if=sticky", which has no variable: it is the same for each request



=== if= without a value: [warn]
--- upstream
    session_sticky if=;
--- warn
"session_sticky" with "if=", which has no variable: it is the same for each request



=== drain_if= with text and variables, in each mode, with different times
--- http_config
upstream insert  { server 127.0.0.1:1985; session_sticky drain_if=$upstream_http_a$upstream_http_b drain_time=1; }
upstream rewrite { server 127.0.0.1:1985; session_sticky mode=rewrite drain_if=a$upstream_http_b; }
upstream prefix  { server 127.0.0.1:1985; session_sticky mode=prefix drain_if=$upstream_status drain_time=1h30m; }
upstream route   { server 127.0.0.1:1985; session_sticky mode=route lookup=$arg_to drain_if=$upstream_http_b if=$arg_a; }
upstream learn   { server 127.0.0.1:1985; session_sticky mode=learn lookup=$arg_to create=$arg_to zone=y:1m drain_if=$upstream_http_b; }
--- config
location /t { return 200; }



=== drain_if= without a variable: [warn]
--- upstream
    session_sticky drain_if=1;
--- warn
"session_sticky" with "drain_if=1", which has no variable: it is the same for each request



=== drain_time= without drain_if= has no effect: [warn]
--- upstream
    session_sticky drain_time=1m;
--- warn
"session_sticky" with drain_time= applies only with drain_if=



=== drain_time=0 is invalid
--- upstream
    session_sticky drain_if=$upstream_http_x_drain drain_time=0;
--- emerg
invalid value "0" of parameter "drain_time" in "session_sticky" directive, it must be a time in seconds, or with units such as "1h30m", greater than 0



=== drain_time= must be a time
--- upstream
    session_sticky drain_if=$upstream_http_x_drain drain_time=soon;
--- emerg
invalid value "soon" of parameter "drain_time"



=== drain_if without a value is not a parameter
--- upstream
    session_sticky drain_if;
--- emerg
invalid parameter "drain_if" in "session_sticky" directive



=== if= with an unknown variable
--- upstream
    session_sticky if=$no_such_variable;
--- emerg
unknown "no_such_variable" variable



=== if= needs a value
--- upstream
    session_sticky if;
--- emerg
invalid parameter "if" in "session_sticky" directive
if=



=== refresh= with only maxlife=: no message
--- upstream
    session_sticky maxlife=8h refresh=1d;



=== refresh= as long as maxage= loses active sessions: [warn]
--- upstream
    session_sticky maxidle=1h maxage=60 refresh=60;
--- warn
"session_sticky" with "refresh=" not shorter than "maxage=" lets browsers delete the cookie of an active session



=== refresh= a second shorter than maxage=: no message
--- upstream
    session_sticky maxidle=1h maxage=60 refresh=59;



=== refresh=0 renews timestamps each time: no message
--- upstream
    session_sticky maxidle=0 refresh=0;



=== refresh= a second shorter than maxidle=: no message
--- upstream
    session_sticky maxidle=60 refresh=59;



=== refresh= as long as maxidle=
--- upstream
    session_sticky maxidle=60 refresh=1m;
--- emerg
"session_sticky" with "refresh=" needs a longer "maxidle="



=== refresh= longer than maxidle=, which is specified after it
--- upstream
    session_sticky refresh=2m maxlife=1h maxidle=60;
--- emerg
"session_sticky" with "refresh=" needs a longer "maxidle="



=== refresh= with an invalid time
--- upstream
    session_sticky maxidle=60 refresh=often;
--- emerg
invalid value "often" of parameter "refresh" in "session_sticky" directive, it must be a time in seconds



=== refresh= without timestamps has no effect: [warn]
--- upstream
    session_sticky refresh=60;
--- warn
"session_sticky" with refresh= applies only with maxidle= or maxlife=



=== refresh= in mode=rewrite has no effect: [warn]
--- upstream
    session_sticky mode=rewrite refresh=60;
--- warn
"session_sticky" with mode=rewrite ignores refresh=: the cookie has no stamps



=== refresh= in mode=prefix has no effect: [warn]
--- upstream
    session_sticky mode=prefix refresh=60;
--- warn
"session_sticky" with mode=prefix ignores refresh=: the cookie has no stamps



=== refresh= in mode=route has no effect: [warn]
--- upstream
    session_sticky mode=route lookup=$arg_to refresh=60;
--- warn
"session_sticky" with mode=route ignores refresh=: it has no cookie



=== refresh= in a mode without timestamps is not an error
--- upstream
    session_sticky mode=prefix maxidle=60 refresh=60;
--- may_warn
mode=prefix ignores
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== nocache and preserve in mode=rewrite and mode=prefix: no message
--- http_config
upstream rewrite { server 127.0.0.1:1985; session_sticky mode=rewrite nocache preserve; }
upstream prefix  { server 127.0.0.1:1985; session_sticky mode=prefix nocache preserve; }
--- config
location /t { return 200; }



=== nocache in mode=route has no effect: [warn]
--- upstream
    session_sticky mode=route lookup=$arg_to nocache;
--- warn
"session_sticky" with mode=route ignores nocache: it has no cookie



=== preserve in mode=learn has no effect: [warn]
--- upstream
    session_sticky mode=learn lookup=$arg_to create=$arg_to zone=z:1m preserve;
--- warn
"session_sticky" with mode=learn ignores preserve: it has no cookie



=== preserve in nginx-sticky-module-ng's "sticky": no message
--- upstream
    sticky preserve;



=== sticky does not support the other parameters
--- upstream
    sticky name=a nocache;
--- emerg
invalid parameter "nocache" in "sticky" directive
preserve



=== postonly in mode=rewrite has no effect: [warn]
--- upstream
    session_sticky mode=rewrite postonly;
--- warn
"session_sticky" with mode=rewrite ignores postonly: the application sets the cookie



=== postonly in mode=prefix has no effect: [warn]
--- upstream
    session_sticky mode=prefix postonly;
--- warn
"session_sticky" with mode=prefix ignores postonly: the application sets the cookie



=== postonly in mode=route has no effect: [warn]
--- upstream
    session_sticky mode=route lookup=$arg_to postonly;
--- warn
"session_sticky" with mode=route ignores postonly: it has no cookie



=== nocache takes no value
--- upstream
    session_sticky nocache=yes;
--- emerg
invalid parameter "nocache=yes" in "session_sticky" directive



=== preserve takes no value
--- upstream
    session_sticky preserve=yes;
--- emerg
invalid parameter "preserve=yes" in "session_sticky" directive



=== postonly takes no value
--- upstream
    session_sticky postonly=yes;
--- emerg
invalid parameter "postonly=yes" in "session_sticky" directive



=== secure= with text and variables
--- upstream
    session_sticky secure=$arg_a$arg_b;
--- visits
/t?a=1 -> A, sets "route=ID_A; Path=/; Secure"
/t?a=0 -> B, sets "route=ID_B; Path=/"
/t -> A, sets "route=ID_A; Path=/"
/t?b=0&a=0 -> B, sets "route=ID_B; Path=/; Secure"



=== secure= specified several times: the last one is used
--- http_config
upstream flag { server 127.0.0.1:1985; session_sticky secure=$arg_a secure=auto secure; }
upstream auto { server 127.0.0.1:1985; session_sticky secure secure=$arg_a secure=auto; }
upstream text { server 127.0.0.1:1985; session_sticky secure secure=auto secure=$arg_a; }
--- config
location /flag { proxy_pass http://flag; }
location /auto { proxy_pass http://auto; }
location /text { proxy_pass http://text; }
--- visits
/flag -> A, sets "route=ID_A; Path=/; Secure"
/auto?a=1 -> A, sets "route=ID_A; Path=/"
/text -> A, sets "route=ID_A; Path=/"
/text?a=1 -> A, sets "route=ID_A; Path=/; Secure"
--- may_warn
duplicate parameter "secure"
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== secure= with an unknown variable
--- upstream
    session_sticky secure=$no_such_variable;
--- emerg
unknown "no_such_variable" variable



=== secure= with text without variables
--- upstream
    session_sticky secure=on;
--- emerg
invalid value "on" of parameter "secure" in "session_sticky" directive
"auto" or text with variables, or omitted



=== samesite=none with a variable in secure=: [warn]
--- upstream
    session_sticky samesite=none secure=$arg_a;
--- warn
"session_sticky" with "samesite=none" needs "secure", browsers reject the cookie where the variable of "secure=" leaves it out



=== partitioned with a variable in secure=: [warn]
--- upstream
    session_sticky partitioned secure=$arg_a;
--- warn
"session_sticky" with "partitioned" needs "secure", browsers reject the cookie where the variable of "secure=" leaves it out



=== a __Secure- name with a variable in secure=: [warn]
--- upstream
    session_sticky cookie=__Secure-route secure=$arg_a;
--- warn
"session_sticky" with a cookie "__Secure-route" needs "secure", browsers reject it where the variable of "secure=" leaves it out



=== a __Host- name with a variable in secure=: [warn]
--- upstream
    session_sticky cookie=__host-route secure=$arg_a;
--- warn
"session_sticky" with a cookie "__host-route" needs "secure", browsers reject it where the variable of "secure=" leaves it out



=== a __Host- name with a variable in secure= also needs path=/
--- upstream
    session_sticky cookie=__Host-route path=/app secure=$arg_a;
--- emerg
"session_sticky" with cookie="__Host-route" needs "secure", "path=/" and no "domain="



=== a variable in secure= in mode=prefix has no effect: [warn]
--- upstream
    session_sticky mode=prefix cookie=__Host-route secure=$arg_a;
--- warn
"session_sticky" with secure applies only to mode=insert
