# Messages logged once per worker and upstream: a cookie is not hidden from the servers of an upstream with option=indirect
# or mode=prefix; servers set a cookie with the module's cookie name.

use Sticky;

our $http = servers(<<'_EOC_') . <<'_EOC_';
location /sets { add_header Set-Cookie "mine=1"; add_header Set-Cookie "$arg_name=x; Path=/app"; return 200 "NAME"; }
_EOC_
    upstream cutting  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=prefix; }
    upstream hiding   { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky option=indirect; }
    upstream changing { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=c mode=rewrite; }
    upstream u        { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
    upstream other    { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=other; }
    upstream stamping { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=s maxidle=60; }
    upstream repeating { server 127.0.0.1:1985; server 127.0.0.1:1986; sticky name=r; }
_EOC_

# The new lines of the module, from "session_sticky" on.
my $read = 0;
sub lines {
    open my $log, '<', server_root() . '/logs/error.log' or return 'no log';
    my @lines = map { /(\[(?:warn|error)\]).* (session_sticky: [^,]*(?:, and [^,]*)?)/ ? "$1 $2" : () } <$log>;
    my @new = @lines[$read .. $#lines];
    $read = @lines;
    return join "\n", @new;
}

client_sections();
add_block_preprocessor(sub { $read = 0; fill($_[0], $http) });
run_tests();

__DATA__

=== a cookie that is not hidden
--- config
location / { proxy_pass http://$arg_to; }
location /hidden { session_sticky_hide_cookie upstream=other upstream=cutting; proxy_pass http://$arg_to; }
location /named { proxy_pass http://cutting; }
--- client
visit(@$_) for ['/?to=cutting'], ['/?to=cutting', 'xapp=ID_B~v'], ['/?to=cutting', 'app=value'], ['/?to=hiding'],
    ['/hidden?to=cutting', 'app=ID_B~v'], ['/named', 'app=ID_B~v'], ['/?to=changing', 'c=ID_B'], ['/?to=u', 'route=ID_B'],
    ['/?to=hiding', 'app=ID_B~v'];
equals(lines(), '', 'not if there is nothing to hide, or it is hidden');
my $seen = visit('/?to=cutting', 'app=ID_B~v');
holds(body($seen) =~ /^B .*cookie=\[app=\w{32}~v\]/, 'the server sees the cookie');
equals(lines(), '[error] session_sticky: cookie "app" of upstream "cutting" is not hidden from its servers', 'mode=prefix');
visit('/?to=cutting', 'app=ID_A~v') for 1 .. 3;
equals(lines(), '', 'logged once');
visit('/?to=hiding', 'a=b; route=ID_B');
equals(lines(), '[error] session_sticky: cookie "route" of upstream "hiding" is not hidden from its servers', 'option=indirect');
visit('/?to=hiding', 'route=00000000000000000000000000000000');
equals(lines(), '', 'logged once');
--- error_log
needs "session_sticky_hide_cookie upstream=cutting;"
needs "session_sticky_hide_cookie upstream=hiding;"
--- may_warn
"session_sticky_hide_cookie" directive has no effect



=== a cookie that is not hidden and has an unknown ID
--- config
location / { proxy_pass http://$arg_to; }
--- client
visit('/?to=cutting', 'app=00000000000000000000000000000000~v');
holds(lines() =~ /^\[error\] session_sticky: cookie "app" of upstream "cutting" is not hidden/m, 'logged as well');



=== a cookie that is not hidden in a subrequest
--- config
location / { auth_request /auth; proxy_pass http://u; }
location = /auth { internal; set $to cutting; proxy_pass http://$to/; }
--- client
visit('/', 'app=ID_B~v');
equals(lines(), '[error] session_sticky: cookie "app" of upstream "cutting" is not hidden from its servers', 'logged');



=== servers that set a cookie with the module's cookie name
--- config
location /u/ { proxy_pass http://u/; }
location /stamping/ { proxy_pass http://stamping/; }
location /hiding/ { proxy_pass http://hiding/; }
location /repeating/ { proxy_pass http://repeating/; }
location /changing/ { proxy_pass http://changing/; }
location /cutting/ { proxy_pass http://cutting/; }
location /silent/ { sticky_hide_cookie; proxy_pass http://u/; }
--- client
visit(@$_) for ['/u/sets?name=xroute'], ['/u/sets?name=Route'], ['/u/sets?name=route', 'route=ID_B'], ['/silent/sets?name=route'],
    ['/hiding/sets?name=route'], ['/repeating/sets?name=r'], ['/changing/sets?name=c'], ['/cutting/sets?name=app'];
equals(lines(), '', 'not if the module sets none, replaces it, or edits it');
equals(set(visit('/u/sets?name=route')) =~ s/\w{32}/ID/r, 'mine=1|route=x; Path=/app|route=ID; Path=/', 'both are sent');
equals(lines(), '[warn] session_sticky: a server of upstream "u" also sets a cookie "route", and browsers keep only one of them: use "mode=prefix" to share the name',
       'a first visit');
visit('/u/sets?name=route') for 1 .. 3;
equals(lines(), '', 'logged once');
visit('/stamping/sets?name=s', 's=ID_B|1|1');
holds(lines() =~ /^\[warn\] session_sticky: a server of upstream "stamping" also sets a cookie "s"/m, 'a renewal, for each upstream');
--- error_log
use "mode=prefix" to share the name, or choose another one
